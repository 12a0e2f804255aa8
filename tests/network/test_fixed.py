"""Entries that the sidecar cannot move stay, and preview and restore name the same: real daemon, real worker."""

# ruff: noqa: F811 - a fixture is found by its name

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.network.test_staying import NOBODY, Place, Unprivileged, place, told, trace  # noqa: F401  # a fixture among them
from tests.services.require import program_require
from tests.sidecar_restore.trees import snapshot

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

BOTH_USERS = pytest.mark.parametrize("place", ["root", "nobody"], indirect=True)
MODES = pytest.mark.parametrize("mode", ["replace", "overlay"])


@pytest.fixture
def flag(place: Place) -> Iterator[Callable[[str, str], None]]:
    """Set a flag of chattr(1) on an entry until the test ends."""
    chattr = program_require("chattr", package="e2fsprogs")
    flagged: list[tuple[str, Path]] = []

    def run(what: str, name: str) -> None:
        subprocess.run([chattr, f"+{what}", place.world / name], check=True)
        flagged.append((what, place.world / name))

    yield run
    for what, path in flagged:
        subprocess.run([chattr, f"-{what}", path], check=True)


FLAGS = pytest.mark.parametrize("what", ["i", "a"], ids=["immutable", "append-only"])


@BOTH_USERS
@FLAGS
@pytest.mark.parametrize(
    ("name", "stays"),
    [
        ("extra", {"extra": "fixed"}),
        ("plugins/extra", {"plugins/extra": "fixed"}),
        ("new", {"new": "fixed"}),
        ("new/file", {"new": "holds", "new/file": "fixed"}),
        ("new/deep", {"new": "holds", "new/deep": "fixed"}),
        ("new/deep/file", {"new": "holds", "new/deep": "holds", "new/deep/file": "fixed"}),
        ("new/deep/empty", {"new": "holds", "new/deep": "holds", "new/deep/empty": "fixed"}),
    ],
)
def test_flagged_extra_stays(
    place: Place, flag: Callable[[str, str], None], what: str, name: str, stays: dict[str, str]
) -> None:
    backup = place.backup()
    for each in ("extra", "plugins/extra", "new/file", "new/deep/file", "gone/file"):
        place.file(each)
    (place.world / "new/deep/empty").mkdir()
    os.chown(place.world / "new/deep/empty", NOBODY, NOBODY)
    place.file("level.dat", b"ruined")
    flag(what, name)
    kept = place.world / name
    before = trace(kept), snapshot(kept) if kept.is_dir() else kept.read_bytes()

    assert place.stays(backup) == list(stays)
    assert told(place.restore(backup)) == stays
    assert (trace(kept), snapshot(kept) if kept.is_dir() else kept.read_bytes()) == before
    assert (place.world / "level.dat").read_bytes() == b"as it was"
    assert not (place.world / "gone").exists()
    assert not (place.world / ".savepoint").exists()


@BOTH_USERS
@MODES
@FLAGS
def test_flagged_file_that_the_backup_has_otherwise_stays(
    place: Place, flag: Callable[[str, str], None], what: str, mode: str
) -> None:
    for name in ("content", "mode", "time", "right"):
        place.file(f"plugins/{name}", b"as it was")
    backup = place.backup()
    place.file("plugins/content", b"changed")
    (place.world / "plugins/mode").chmod(0o600)
    os.utime(place.world / "plugins/time", (1, 1))
    place.file("plugins/readable", b"changed")
    for name in ("content", "mode", "time", "right"):
        flag(what, f"plugins/{name}")
    before = {name: trace(place.world / "plugins" / name) for name in ("content", "mode", "time", "right")}
    stays = ["plugins/content", "plugins/mode", "plugins/time"]

    assert place.stays(backup, mode) == stays
    assert told(place.restore(backup, mode=mode)) == dict.fromkeys(stays, "fixed")
    assert {name: trace(place.world / "plugins" / name) for name in before} == before
    assert (place.world / "plugins/readable").read_bytes() == b"as it was"


@BOTH_USERS
@FLAGS
def test_names_in_a_flagged_folder_stay(place: Place, flag: Callable[[str, str], None], what: str) -> None:
    for name in ("same", "changed", "missing", "missing too/file", "deep/changed", "deep/missing"):
        place.file(f"shut/{name}", b"as it was")
    backup = place.backup()
    for name in ("changed", "deep/changed", "extra", "deep/extra", "extra too/file"):
        place.file(f"shut/{name}", b"played on")
    (place.world / "shut/missing").unlink()
    (place.world / "shut/missing too/file").unlink()
    (place.world / "shut/missing too").rmdir()
    (place.world / "shut/deep/missing").unlink()
    status = (place.world / "shut").stat()
    flag(what, "shut")

    stays = place.stays(backup)
    assert stays == [f"shut/{name}" for name in ("changed", "extra", "extra too", "missing", "missing too")]
    assert told(place.restore(backup)) == dict.fromkeys(stays, "fixed")
    assert (place.world / "shut").stat().st_mtime_ns == status.st_mtime_ns
    assert (place.world / "shut/deep/changed").read_bytes() == b"as it was"
    assert (place.world / "shut/deep/missing").read_bytes() == b"as it was"
    assert not (place.world / "shut/deep/extra").exists()
    assert (place.world / "shut/changed").read_bytes() == b"played on"


def foreign(path: Path) -> None:
    os.chown(path, 0, 0)
    path.chmod(0o755)


def sticky(path: Path) -> None:
    """A folder like `/tmp`, with an entry of another user."""
    os.chown(path, 0, 0)
    path.chmod(0o1777)
    for child in path.iterdir():
        os.chown(child, 0, 0)


@pytest.mark.parametrize(
    ("name", "make", "stays"),
    [
        ("new", foreign, {"new": "fixed"}),
        ("new/deep", foreign, {"new": "holds", "new/deep": "fixed"}),
        ("new/deep/empty", foreign, {"new": "holds", "new/deep": "holds", "new/deep/empty": "fixed"}),
        ("new", sticky, {"new": "holds", "new/deep": "fixed", "new/file": "fixed"}),
        (
            "new/deep",
            sticky,
            {"new": "holds", "new/deep": "holds", "new/deep/empty": "fixed", "new/deep/file": "fixed"},
        ),
        ("plugins", foreign, {"plugins/extra": "fixed", "plugins/missing": "fixed", "plugins/readable": "fixed"}),
    ],
)
def test_names_in_a_folder_of_another_owner_stay(
    place: Place, name: str, make: Callable[[Path], None], stays: dict[str, str]
) -> None:
    place.file("plugins/missing")
    backup = place.backup()
    (place.world / "plugins/missing").unlink()
    place.file("plugins/readable", b"played on")
    for each in ("new/file", "new/deep/file", "plugins/extra"):
        place.file(each)
    (place.world / "new/deep/empty").mkdir()
    os.chown(place.world / "new/deep/empty", NOBODY, NOBODY)
    make(place.world / name)
    before = snapshot(place.world / name)

    assert place.stays(backup) == list(stays)
    assert told(place.restore(backup)) == stays
    assert snapshot(place.world / name) == before
    assert not (place.world / ".savepoint").exists()


@MODES
@pytest.mark.parametrize("mode_bits", [0o444, 0o666, 0o111, 0o000])
def test_folder_that_cannot_be_searched_or_listed_is_named_once(place: Place, mode_bits: int, mode: str) -> None:
    for name in ("closed/a", "closed/b", "closed/deep/c"):
        place.file(name, b"as it was")
    backup = place.backup()
    place.file("closed/a", b"changed")
    place.file("closed/extra")
    place.file("also/closed/extra")
    for folder in ("closed", "also/closed"):
        os.chown(place.world / folder, 0, 0)
        (place.world / folder).chmod(mode_bits)
    extra = {"also": "holds", "also/closed": "unreadable"} if mode == "replace" else {}
    expected = {**extra, "closed": "unreadable"}

    assert place.stays(backup, mode) == list(expected)
    assert told(place.restore(backup, mode=mode)) == expected
    assert (place.world / "closed/a").read_bytes() == b"changed"


def owned(path: Path) -> None:
    """Content that can be changed, in a folder whose mode cannot."""
    os.chown(path, 0, 0)
    path.chmod(0o777)


@MODES
@pytest.mark.parametrize(
    ("place", "hazard"),
    [("root", "i"), ("root", "a"), ("nobody", "i"), ("nobody", "a"), ("nobody", "owner")],
    indirect=["place"],
)
@pytest.mark.parametrize("differs", ["mode", "owner", "nothing"])
def test_folder_with_fixed_metadata_is_named_and_its_files_return(
    place: Place, flag: Callable[[str, str], None], hazard: str, differs: str, mode: str
) -> None:
    for name in ("shut/deep/file", "shut/deep/deeper/file"):
        place.file(name, b"as it was")
    shut = place.world / "shut"
    shut.chmod(0o755 if differs == "mode" else 0o777)
    backup = place.backup()
    for name in ("shut/deep/file", "shut/deep/deeper/file", "level.dat"):
        place.file(name, b"played on")
    for name in ("deep", "deep/deeper"):
        (shut / name).chmod(0o700)
    shut.chmod(0o777)
    if differs == "owner":
        os.chown(shut, 1, 1)
    if hazard == "owner":
        owned(shut)
    else:
        flag(hazard, "shut")
    before = trace(shut)
    is_owners = differs == "owner" and hazard != "owner" and not isinstance(place.daemon, Unprivileged)
    stays = ["shut"] if differs == "mode" or is_owners else []

    assert place.stays(backup, mode) == stays
    assert told(place.restore(backup, mode=mode)) == dict.fromkeys(stays, "fixed")
    assert trace(shut) == before
    for name in ("shut/deep/file", "shut/deep/deeper/file", "level.dat"):
        assert (place.world / name).read_bytes() == b"as it was"
    for name in ("deep", "deep/deeper"):
        assert (shut / name).stat().st_mode & 0o777 == 0o755
