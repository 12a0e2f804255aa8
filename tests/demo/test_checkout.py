"""Changes in a checkout that restart the programs, and the logs on the screen."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from demo.checkout import Checkout
from demo.log_tail import LogTail


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path in ("app/__init__.py", "app/views.py", "tests/__init__.py", "templates/page.html", "locale/de/django.mo"):
        put(tmp_path / path, "old")
    return tmp_path


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


USED = [
    "app/views.py",
    "app/deep/new.py",
    "new_app/__init__.py",
    "templates/page.html",
    "templates/mail/new.txt",
    "locale/de/django.mo",
    "static/new.css",
    "static/new.js",
    "static/new.svg",
]
UNUSED = [
    "README.md",
    "manage.toml",
    "tests/new.py",
    "benchmarks/new.py",
    "docs/new.py",
    "var/world/plugin.py",
    ".venv/lib/new.py",
    "app/__pycache__/views.pyc",
    "templates/.page.html.swp",
    "locale/de/django.po",
]


@pytest.mark.parametrize("path", USED)
def test_file_that_a_program_uses_is_reported_once(root: Path, path: str) -> None:
    checkout = Checkout(root)
    put(root / path, "another")
    assert checkout.changed() == [path]
    assert checkout.changed() == []
    (root / path).unlink()
    assert path in checkout.changed()


@pytest.mark.parametrize("path", UNUSED)
def test_file_that_no_program_uses_is_not_told(root: Path, path: str) -> None:
    checkout = Checkout(root)
    put(root / path, "another")
    assert checkout.changed() == []


def test_same_size_at_another_time_is_a_change(root: Path) -> None:
    checkout = Checkout(root)
    os.utime(root / "app/views.py", ns=(0, 0))
    os.utime(root / "templates/page.html", ns=(0, 0))
    assert checkout.changed() == ["app/views.py", "templates/page.html"]


def test_link_to_nothing_is_passed_over(root: Path) -> None:
    """A file that vanishes between the listing and its lstat, and the lock file of an editor."""
    checkout = Checkout(root)
    (root / "app/.#views.py").symlink_to("developer@host:1")
    assert checkout.changed() == []


def test_lines_are_shown_when_they_are_finished(tmp_path: Path) -> None:
    logs, said = {"web": tmp_path / "web.log", "sidecar": tmp_path / "sidecar.log"}, list[str]()
    for log in logs.values():
        log.touch()
    tail = LogTail(logs, say=said.append)
    with logs["web"].open("ab", buffering=0) as web, logs["sidecar"].open("ab", buffering=0) as sidecar:
        web.write(b"one\ntw")
        tail.show()
        sidecar.write(b"\xff broken\n")
        web.write("o ☃".encode()[:-1])
        tail.show()
        web.write("☃".encode()[-1:] + b"\nlast")
        tail.show()
    assert said == ["web     | one", "sidecar | \N{REPLACEMENT CHARACTER} broken", "web     | two ☃"]
    tail.close()
    assert said[-1] == "web     | last"
