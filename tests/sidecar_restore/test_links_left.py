"""Hard links between two places of which one has to stay: the other names are restored."""

# ruff: noqa: F811 - a fixture is found by its name

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.sidecar_restore.linked import Linked, linked  # noqa: F401  # a fixture among them
from tests.sidecar_restore.mounting import mounted, remounted
from tests.sidecar_restore.trees import snapshot, write
from wire.enums import Mode, WarningKind

BYTES = os.urandom(300_000)
OTHERS = ("link-after", "zone/after", "zone/once more")


@contextmanager
def unfit(folder: Path, why: str) -> Iterator[None]:
    """Make a volume with the same files unable to take a restore."""
    with ExitStack() as stack:
        stack.enter_context(mounted("-t", "tmpfs", "-o", "mode=755,size=256k,nr_inodes=30", "none", at=folder))
        write(folder / "map", b"played on")
        if why == "no inode is free":
            for number in range(26):
                write(folder / f"more{number}")
        if why == "read-only":
            stack.enter_context(remounted("ro", at=folder))
        yield


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("way", ["link", "mount"])
@pytest.mark.parametrize("why", ["read-only", "no room", "no inode is free"])
def test_file_linked_into_a_part_that_stays_comes_back_by_other_names(
    linked: Linked, mode: Mode, way: str, why: str
) -> None:
    folder = linked.worlds / "a" if way == "link" else linked.root / "link"
    if way == "link":
        (linked.root / "link").symlink_to(folder)
    write(folder / "map", BYTES)
    for name in OTHERS:
        (linked.root / name).parent.mkdir(exist_ok=True)
        (linked.root / name).hardlink_to(folder / "map")
    linked.backup()
    assert linked.packed()["link"] == "folder"
    for name in ("link-after", "zone/after"):
        write(linked.root / name, b"played on")
    with unfit(folder, why):
        before = snapshot(folder)

        summary = linked.restore(mode)

        kind = WarningKind.LINKED_OUT if way == "link" else WarningKind.MOUNTED
        assert [(w.kind, w.path) for w in summary.staying.kept] == [(kind, b"link")]
        assert snapshot(folder) == before
    for name in OTHERS:
        assert (linked.root / name).read_bytes() == BYTES
    assert len({(linked.root / name).stat().st_ino for name in OTHERS}) == 1
