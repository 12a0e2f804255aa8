"""Opening by a path: every component is checked, for any length of the path and any kernel."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.descriptors import descriptors
from trees import beneath
from trees.beneath import Tree, open_beneath, open_for_reading

NAME = b"n" * 200
DEPTH = 60
LONG = b"/".join([NAME] * DEPTH)
"""Longer than the limit of one call."""


@pytest.fixture(params=[True, False], ids=["openat2", "steps"], autouse=True)
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    assert beneath.openat2_works()
    monkeypatch.setattr(beneath, "openat2_works", lambda: request.param)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    """A root with a FIFO and a link at the end of a very long path."""
    opened = [os.open(tmp_path, os.O_RDONLY)]
    for _ in range(DEPTH):
        os.mkdir(NAME, dir_fd=opened[-1])
        opened.append(os.open(NAME, os.O_RDONLY, dir_fd=opened[-1]))
    os.mkfifo(b"pipe", dir_fd=opened[-1])
    os.symlink(b".", b"link", dir_fd=opened[-1])
    yield opened[0]
    for fd in opened:
        os.close(fd)


def test_long_path_is_opened_and_no_child_gets_it(root: int) -> None:
    assert len(LONG) > beneath._CALL_BYTES
    fd = open_for_reading(LONG + b"/pipe", root)
    assert stat.S_ISFIFO(os.fstat(fd).st_mode)
    assert fcntl.fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
    os.close(fd)


@pytest.mark.parametrize("path", [b"link", b"link/pipe", b"link/link"])
@pytest.mark.parametrize("flags", [0, os.O_DIRECTORY])
def test_link_at_the_end_of_a_long_path_is_not_followed(root: int, tmp_path: Path, path: bytes, flags: int) -> None:
    before = descriptors(tmp_path)
    with pytest.raises(OSError, match=r"Not a directory|Too many levels of symbolic links"):
        open_for_reading(LONG + b"/" + path, root, flags)
    with pytest.raises(NotADirectoryError):
        Tree(root).parent(LONG + b"/link/pipe")
    assert descriptors(tmp_path) == before


@pytest.mark.parametrize("path", [b"..", b"../x", LONG + b"/..", LONG + b"/../x", b"/etc/passwd"])
def test_path_that_leads_up_or_away_is_refused(root: int, path: bytes) -> None:
    with pytest.raises(OSError, match=r"Invalid cross-device link|No such file"):
        os.close(open_beneath(path, root, os.O_RDONLY))
