"""Paths that patterns leave out of an archive."""

from __future__ import annotations

import os
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from sidecar.archive.pack import PackWarning
from sidecar.errors import Refused
from sidecar.exclusion.counting import Count
from sidecar.exclusion.patterns import Exclude
from tests.sidecar_archive.listings import packed
from wire.enums import WarningKind
from wire.listing import LEFT_OUT

IGNORE_FILE = ".savepointignore"


def world_fill(world: Path) -> None:
    for path, size in {
        "level.dat": 10,
        "logs/a.log": 20,
        "logs/old/b.log": 30,
        "cache/x/y": 40,
        "region/r.mca": 50,
    }.items():
        (world / path).parent.mkdir(parents=True, exist_ok=True)
        (world / path).write_bytes(bytes(size))


def members(archive: bytes) -> set[str]:
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        return set(tar.getnames())


def test_matching_paths_are_left_out_and_listed_as_such(world: Path) -> None:
    world_fill(world)
    made = packed(world, exclude=Exclude(after=(b"*.log", b"/cache/")))
    assert members(made.archive) == {"level.dat", "logs", "logs/old", "region", "region/r.mca"}
    left_out = [entry for entry in made.entries() if entry.kind == LEFT_OUT]
    assert [entry.path for entry in left_out] == [b"cache", b"logs/a.log", b"logs/old/b.log"]
    assert all(entry.excluded and not entry.vanished for entry in left_out)
    assert made.result.warnings_total == 0
    assert made.result.excluded == Count(entries=5, bytes=90)
    assert made.result.patterns == (b"*.log", b"/cache/")
    assert (made.result.entries, made.result.content_bytes) == (5, 60)


def test_the_ignore_file_stands_between_earlier_and_later_patterns(world: Path) -> None:
    world_fill(world)
    (world / IGNORE_FILE).write_text("# mine\n!a.log\nregion/\n")
    exclude = Exclude(before=(b"*.log",), after=(b"!region/",), ignore_file=True)
    made = packed(world, exclude=exclude)
    assert {"logs/a.log", "region/r.mca", IGNORE_FILE} <= members(made.archive)
    assert "logs/old/b.log" not in members(made.archive)
    assert made.result.patterns == (b"*.log", b"!a.log", b"region/", b"!region/")


def test_an_ignore_file_counts_only_if_it_was_asked_for(world: Path) -> None:
    world_fill(world)
    (world / IGNORE_FILE).write_text("*\n")
    assert "level.dat" in members(packed(world).archive)


def test_an_impossible_line_of_the_ignore_file_is_a_warning_only(world: Path) -> None:
    world_fill(world)
    (world / IGNORE_FILE).write_text("[z-a]\n*.log\n")
    made = packed(world, exclude=Exclude(ignore_file=True))
    assert made.result.warnings == (PackWarning(WarningKind.PATTERN, IGNORE_FILE.encode()),)
    assert made.result.patterns == (b"*.log",)
    assert "logs/a.log" not in members(made.archive)


@pytest.mark.parametrize("kind", ["folder", "fifo", "link", "huge", "many"])
def test_an_odd_ignore_file_is_a_warning_and_no_failure(kind: str, world: Path) -> None:
    world_fill(world)
    file = world / IGNORE_FILE
    match kind:
        case "folder":
            file.mkdir()
        case "fifo":
            os.mkfifo(file)
        case "link":
            file.symlink_to("/etc/passwd")
        case "huge":
            file.write_bytes(b"*.log\n" * 20_000)
        case _:
            file.write_bytes(b"*.log\n" * 101)
    made = packed(world, exclude=Exclude(ignore_file=True))
    assert PackWarning(WarningKind.PATTERN, IGNORE_FILE.encode()) in made.result.warnings
    assert "level.dat" in members(made.archive)


def test_a_wrong_pattern_of_a_call_is_refused(world: Path) -> None:
    with pytest.raises(Refused, match="pattern 2"):
        packed(world, exclude=Exclude(before=(b"ok",), after=(b"[",)))


def test_one_file_may_have_names_on_both_sides(world: Path) -> None:
    (world / "kept").write_bytes(bytes(70))
    (world / "also.log").hardlink_to(world / "kept")
    made = packed(world, exclude=Exclude(after=(b"*.log",)))
    assert members(made.archive) == {"kept"}
    assert made.result.excluded == Count(entries=1, bytes=70)
    assert made.result.content_bytes == 70
