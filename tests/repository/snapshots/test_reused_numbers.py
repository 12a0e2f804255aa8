"""An inode number that is reused while a tree is scanned belongs to another file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from demo.comparison import digest
from tests.repository.snapshots.kept import Kept
from tests.repository.snapshots.trees import kept_picture
from tests.volumes import inode_take
from trees.local.tree import LocalTree
from trees.source import SourceEntry

OLD, NEW = b"what the old file held", b"what the new file holds!"


class Changing(LocalTree):
    """A folder with a hook at the scan of a path."""

    def __init__(self, root: Path, at: bytes, change: Callable[[], None]) -> None:
        super().__init__(root)
        self._at = at
        self._change = change

    def scan(self) -> Iterator[SourceEntry]:
        for entry in super().scan():
            yield entry
            if entry.path == self._at:
                self._change()


@pytest.fixture
def linked(kept: Kept) -> Kept:
    """`a-one` and `a-two` are one file; later names will become another file."""
    root = kept.root
    (root / "a-one").write_bytes(OLD)
    (root / "a-two").hardlink_to(root / "a-one")
    (root / "b-middle").write_bytes(b"here the tree is changed")
    for name in ("y.dat", "z.dat"):
        (root / name).write_bytes(b"replaced")
    return kept


def replaced(root: Path, *names: str) -> Callable[[], None]:
    """Remove both links, and give these names to a new file that reuses their inode number."""

    def change() -> None:
        inode = (root / "a-one").stat().st_ino
        for name in ("a-one", "a-two"):
            (root / name).unlink()
        made = inode_take(inode, root, NEW)
        for name in names[1:]:
            (root / name).unlink(missing_ok=True)
            (root / name).hardlink_to(made)
        made.rename(root / names[0])
        assert (root / names[0]).stat().st_ino == inode

    return change


@pytest.mark.usefixtures("own_volume")
@pytest.mark.parametrize("names", [("z.dat",), ("y.dat", "z.dat"), ("z.dat", "a-two"), ("y.dat", "z.dat", "a-two")])
@pytest.mark.parametrize("at", [b"a-one", b"a-two", b"b-middle"])
def test_new_file_with_a_freed_number_is_no_link_to_the_old(linked: Kept, at: bytes, names: tuple[str, ...]) -> None:
    source = Changing(linked.root, at, replaced(linked.root, *names))
    made = linked.snapshot(source=source)
    found = kept_picture(linked.opened(), made.snapshot)
    for name in names:
        # A name scanned before the change may have the old content, never content that it did not hold.
        content = OLD if name == "a-two" and at != b"a-one" else NEW
        assert found[name.encode()].content == digest(content), name
    again = kept_picture(linked.opened(), linked.snapshot(parent=made.snapshot).snapshot)
    for name in names:
        assert (linked.root / name).read_bytes() == NEW
        assert again[name.encode()].content == digest(NEW)


def test_link_that_changes_during_the_scan_is_a_file_of_its_own(linked: Kept) -> None:
    def change() -> None:
        with (linked.root / "a-two").open("ab") as file:
            file.write(b", and more")

    made = linked.snapshot(source=Changing(linked.root, b"a-one", change))
    found = kept_picture(linked.opened(), made.snapshot)
    assert found[b"a-two"].names == 1
    assert found[b"a-two"].content == digest(OLD + b", and more")


def test_links_at_rest_are_still_links(linked: Kept) -> None:
    os.link(linked.root / "y.dat", linked.root / "a-three")
    found = kept_picture(linked.opened(), linked.snapshot().snapshot)
    assert found[b"a-two"].first == b"a-one"
    assert found[b"y.dat"].first == b"a-three"
