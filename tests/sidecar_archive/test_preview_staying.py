"""Live paths that a restore leaves as they are, as its preview reports."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.sidecar_archive.listings import as_nobody, packed, preview, told
from wire.enums import ChangeKind, Mode

STAYS = ChangeKind.STAYS
BOTH_MODES = pytest.mark.parametrize("mode", list(Mode))


@BOTH_MODES
def test_file_swapped_for_a_pipe_stays_and_is_not_waited_for(world: Path, mode: Mode) -> None:
    (world / "file").write_bytes(b"content")
    listing = packed(world).listing
    (world / "file").unlink()
    os.mkfifo(world / "file")
    assert told(preview(world, listing, mode)) == [(STAYS, b"file", 0)]


@BOTH_MODES
def test_file_does_not_replace_a_folder_that_holds_a_pipe(world: Path, mode: Mode) -> None:
    (world / "file").write_bytes(b"content")
    listing = packed(world).listing
    (world / "file").unlink()
    (world / "file" / "deep").mkdir(parents=True)
    os.mkfifo(world / "file" / "deep" / "pipe")
    assert told(preview(world, listing, mode)) == [(STAYS, b"file", 0)]


def test_path_that_the_backup_left_out_stays(world: Path) -> None:
    (world / "folder").mkdir()
    os.mkfifo(world / "folder" / "pipe")
    listing = packed(world).listing
    (world / "folder" / "pipe").unlink()
    (world / "folder" / "pipe").mkdir()
    (world / "folder" / "pipe" / "file").write_bytes(b"1")
    assert told(preview(world, listing)) == [(STAYS, b"folder/pipe", 0)]
    assert told(preview(world, listing, Mode.OVERLAY)) == []


def test_path_that_this_user_cannot_look_into_stays(world: Path) -> None:
    (world / "folder").mkdir()
    (world / "folder" / "x").touch()
    (world / "file").write_bytes(b"1")
    listing = packed(world).listing
    (world / "other").mkdir()
    for path in (world / "file", world / "folder", world / "other"):
        path.chmod(0)
    with as_nobody():
        found = preview(world, listing)
    for path in (world / "folder", world / "other"):
        path.chmod(0o700)
    assert told(found) == [
        (STAYS, b"file", 0),
        (STAYS, b"folder", 0),
        (STAYS, b"other", 0),
    ]
