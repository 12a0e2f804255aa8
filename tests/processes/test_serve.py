"""`make serve` as a developer uses it: in a checkout with changing files."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

import pytest

from tests.docs.pages import examples
from tests.lint import ROOT, files_tracked
from tests.processes.serving import COMMANDS, READY_SECONDS, STOP_SECONDS, Serving, serve
from tests.processes.tree import processes_of
from tests.processes.waiting import wait_until


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the product's files, for the tests to change."""
    copy = tmp_path_factory.mktemp("serve") / "checkout"
    for file in files_tracked(""):
        path = file.relative_to(ROOT)
        if path.parts[0] not in ("tests", "docs", "benchmarks"):
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, copy / path)
    return copy


@pytest.fixture(scope="module")
def serving(checkout: Path) -> Iterator[Serving]:
    with serve(checkout) as found:
        yield found


def signed_in(serving: Serving, role: str) -> str:
    """The first page after signing in with the password from the screen."""
    login = serving.logins[role]
    assert f"password {login['password']}" in serving.said()
    browser, address = build_opener(HTTPCookieProcessor()), f"{serving.url}/accounts/login/"
    browser.addheaders = [("Referer", address)]
    with browser.open(address) as response:
        form = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', response.read().decode())
    assert form is not None
    fields = {"csrfmiddlewaretoken": form[1], "login": login["username"], "password": login["password"]}
    with browser.open(address, urlencode(fields).encode()) as response:
        return str(response.read().decode())


def backups_path(serving: Serving) -> str:
    order = next(
        found["id"]
        for found in serving.customer.call("GET", "orders/").json["results"]
        if found["name"] == "Survival server"
    )
    provisions = serving.customer.call("GET", f"orders/{order}/provisions/").json["results"]
    return f"orders/{order}/provisions/{next(found['id'] for found in provisions if found['is_primary'])}/backups/"


def test_sign_in_with_the_password_on_the_screen(serving: Serving) -> None:
    assert "Survival server" in signed_in(serving, "customer")
    assert "Creative server" in signed_in(serving, "other")


def test_operation_is_followed_by_its_id_as_the_documentation_says(serving: Serving) -> None:
    made = serving.customer.call("POST", backups_path(serving), {"name": "Made while serving"})
    assert made.status == 202, made
    operation = made.json["operation"]["id"]
    wait_until(
        lambda: re.search(rf"^worker +\| .*{operation} succeeded$", serving.said(), re.MULTILINE),
        seconds=READY_SECONDS,
        what="the operation's end on the screen",
    )
    named = {line.split("|")[0].strip() for line in serving.said().splitlines() if operation in line}
    assert named == {"web", "worker", "sidecar"}
    command, written = documented("grep "), documented("common.queue enqueued")
    command = re.sub(r"\b[0-9a-f]{8}\b", operation[:8], command)
    done = subprocess.run(["sh", "-c", command], cwd=serving.checkout, capture_output=True, text=True, check=True)
    # Two calls of the sidecar end at the same moment.
    assert sorted(shapes(done.stdout)) == sorted(shapes(written))


def documented(part: str) -> str:
    """The one example of the developers' page that contains this part."""
    (found,) = (
        example.text for example in examples() if example.page == "docs/development.md" and part in example.text
    )
    return found


def shapes(log: str) -> list[str]:
    """The lines without the parts that vary from run to run."""
    return [re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+", "N", line) for line in log.splitlines()]


@dataclass(frozen=True)
class Change:
    """Bytes of a file in the checkout, their replacement with a mark, and the address whose answer shows the mark."""

    file: str
    old: bytes
    new: bytes
    mark: str
    path: str
    language: str = "en"


CHANGES = {
    "a source file": Change(
        "config/health.py", b"_answer([])", b'JsonResponse({"status": "new source"})', "new source", "/livez"
    ),
    "a template": Change(
        "templates/account/login.html", b"narrow stack", b"narrow stack new-class", "new-class", "/accounts/login/"
    ),
    "a translation": Change(
        "locale/de/LC_MESSAGES/django.mo", b"\0Anmelden\0", b"\0New word\0", "New word", "/accounts/login/", "de"
    ),
    "a style sheet": Change(
        "static/savepoint/savepoint.css",
        b":root {",
        b":root { /* new style */",
        "new style",
        "/static/savepoint/savepoint.css",
    ),
}


def edit(serving: Serving, file: str, old: bytes, new: bytes) -> None:
    path = serving.checkout / file
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))


@pytest.mark.parametrize("what", CHANGES)
def test_changed_file_restarts_every_program(serving: Serving, what: str) -> None:
    change, before = CHANGES[what], serving.running()
    assert change.mark not in serving.page(change.path, language=change.language)
    for unused in ("README.md", "tests/new.py", "docs/new.py", "var/world/plugin.py", "templates/.base.html.swp"):
        file = serving.checkout / unused
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(what)
    edit(serving, change.file, change.old, change.new)
    serving.replaced(before)
    assert said_ready(serving) & before
    wait_until(lambda: said_ready(serving) & serving.running(), seconds=READY_SECONDS, what="that the screen says so")
    assert change.mark in serving.page(change.path, language=change.language)
    assert re.findall("^Restarting: .*", serving.said(), re.MULTILINE)[-1] == f"Restarting: {change.file} changed."


def said_ready(serving: Serving) -> set[int]:
    """The web processes that the screen reported as ready."""
    said = re.findall(r"^web +\| .* web process (\d+) is ready$", serving.said(), re.MULTILINE)
    return {int(pid) for pid in said}


def test_files_that_do_not_parse_are_shown_and_can_be_repaired(serving: Serving) -> None:
    right, wrong = b"from __future__", b"from from __future__"
    files = ("common/queue.py", "sidecar/daemon/service.py")
    for file in files:
        edit(serving, file, right, wrong)
    for program in COMMANDS:
        told = re.compile(rf"^{program} +\| SyntaxError", re.MULTILINE)
        wait_until(
            lambda told=told: told.search(serving.said()), seconds=READY_SECONDS, what=f"the mistake in {program}"
        )
    before = serving.running()
    for file in files:
        edit(serving, file, wrong, right)
    serving.replaced(before)
    assert "Survival server" in signed_in(serving, "customer")


def interrupt(serving: Serving) -> None:
    """Press Ctrl-C twice, unless the program has ended."""
    if serving.process.poll() is None:
        os.killpg(serving.process.pid, signal.SIGINT)
        os.killpg(serving.process.pid, signal.SIGINT)
    assert serving.process.wait(STOP_SECONDS) == 0, serving.said()


def test_ctrl_c_ends_every_process(serving: Serving) -> None:
    interrupt(serving)
    assert serving.said().endswith("Nothing is left running.\n")
    assert processes_of(serving.home) == {}


def test_next_start_keeps_the_data_and_leaves_nothing_when_killed(serving: Serving) -> None:
    interrupt(serving)
    logins = serving.logins
    with serve(serving.checkout) as again:
        assert again.logins == logins
        assert "Survival server" in signed_in(again, "customer")
        assert backup_name(again, number=-1) == "Made while serving"
        again.process.kill()
        again.process.wait()
        wait_until(lambda: not again.running(), seconds=STOP_SECONDS, what="the end of all processes of a killed one")


def backup_name(serving: Serving, *, number: int) -> str:
    """The name of the newest or oldest backup, which must be ready."""
    found = serving.customer.call("GET", backups_path(serving)).json["results"][number]
    assert found["status"] == "ready", found
    return str(found["name"])


@contextmanager
def alone(command: str, serving: Serving) -> Iterator[None]:
    """A documented command, run in the checkout and stopped at the end."""
    log = serving.checkout / "alone.log"
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environ = {"PATH": path, "SAVEPOINT_PORT": serving.url.rpartition(":")[2]}
    with log.open("ab") as output:
        process = subprocess.Popen(
            ["sh", "-c", f"exec env {command}"], cwd=serving.checkout, env=environ, stdout=output, stderr=output
        )
    try:
        yield
        assert process.poll() is None, log.read_text()
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def test_each_process_runs_alone_as_the_documentation_says(serving: Serving) -> None:
    interrupt(serving)
    with ExitStack() as started:
        for command in documented("manage.py worker").splitlines():
            started.enter_context(alone(command, serving))
        wait_until(lambda: '"ok"' in serving.page("/healthz"), seconds=READY_SECONDS, what="the portal works")
        made = serving.customer.call("POST", backups_path(serving), {"name": "Made by each alone"})
        assert made.status == 202, made
        wait_until(
            lambda: serving.customer.call("GET", f"operations/{made.json['operation']['id']}/").json["finished_at"],
            seconds=READY_SECONDS,
            what="the end of the backup",
        )
        assert backup_name(serving, number=0) == "Made by each alone"
