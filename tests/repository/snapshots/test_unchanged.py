"""R25, R26: hidden changes, unchanged files, and names and sources of every kind."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from typing import Any

import pytest

from demo.comparison import digest
from repository.chunked.snapshots import assembly, bundling
from tests.repository.snapshots.kept import Kept
from tests.repository.snapshots.trees import edit, kept_picture, picture, region
from trees.local.file import LocalFile
from trees.local.tree import LocalTree
from trees.source import SourceEntry, SourceGone
from trees.trust import WRITTEN_BACK_NS


def test_same_size_and_date_but_new_content_is_captured(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trees.trust.WRITTEN_BACK_NS", 0)
    sizes = {"small": 100, "x.zip": 300_000, "r.mca": 300_000}
    for name, size in sizes.items():
        (kept.root / name).write_bytes(region(300_000, Random(1))[-size:])  # noqa: S311
        os.utime(kept.root / name, ns=(5, 5))
    first = kept.snapshot()
    for name in sizes:
        edit(kept.root / name, 50, b"new content")
        os.utime(kept.root / name, ns=(5, 5))
    second = kept.snapshot(parent=first.snapshot)
    assert kept_picture(kept.opened(), second.snapshot) == picture(kept.root)
    assert second.added_bytes > 300_000


class Dated(LocalTree):
    """A folder whose files have one fixed ctime, and whose snapshots begin at a fixed time."""

    ctime, began = 10**18, 0

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.found: dict[bytes, SourceEntry] = {}

    def begin(self, parent: bytes | None) -> int:
        super().begin(parent)
        return self.began

    def started(self) -> int:
        return 0

    def scan(self) -> Any:
        for entry in super().scan():
            assert entry.stat is not None
            self.found[entry.path] = entry
            yield entry._replace(stat=entry.stat._replace(ctime_ns=self.ctime, mtime_ns=self.ctime))

    def open(self, entry: SourceEntry, *, in_place: bool, span: tuple[int, int] | None = None) -> LocalFile:
        return super().open(self.found[entry.path], in_place=in_place)


@pytest.mark.parametrize(
    ("ago", "is_read"), [(WRITTEN_BACK_NS + 1, False), (WRITTEN_BACK_NS, True), (0, True), (-WRITTEN_BACK_NS, True)]
)
@pytest.mark.parametrize("trust", [True, False])
def test_file_changed_within_a_minute_before_the_scan_is_read_again(
    kept: Kept,
    ago: int,
    is_read: bool,  # noqa: FBT001
    trust: bool,  # noqa: FBT001
) -> None:
    (kept.root / "f").write_bytes(b"before")
    source = Dated(kept.root)
    source.began = source.ctime + ago
    first = kept.snapshot(source=source)
    edit(kept.root / "f", 0, b"after!")
    second = kept.snapshot(source=source, parent=first.snapshot, trust_stat=trust)
    found = kept_picture(kept.opened(), second.snapshot)[b"f"].content
    assert found == digest(b"after!" if is_read or not trust else b"before")


def test_unchanged_files_are_not_opened(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trees.trust.WRITTEN_BACK_NS", -1)  # trust even changes in this very tick
    (kept.root / "d").mkdir()
    for name, size in {"small": 10, "d/x.zip": 300_000, "r.mca": 300_000}.items():
        (kept.root / name).write_bytes(region(300_000, Random(1))[:size])  # noqa: S311
    (kept.root / "link").symlink_to("small")
    first = kept.snapshot(source=Dated(kept.root), labels={"a": "b"})
    opened: list[bytes] = []

    class Seen(Dated):
        began = Dated.ctime * 2

        def open(self, entry: SourceEntry, *, in_place: bool, span: tuple[int, int] | None = None) -> LocalFile:
            opened.append(entry.path)
            return super().open(entry, in_place=in_place)

    second = kept.snapshot(source=Seen(kept.root), parent=first.snapshot)
    assert sorted(opened) == [b"d/x.zip", b"r.mca", b"small"]  # the first one's scan began before they changed
    opened.clear()
    third = kept.snapshot(source=Seen(kept.root), parent=second.snapshot)
    assert opened == []
    assert (third.chunks, third.hash, third.bytes, third.added_bytes) == (second.chunks, second.hash, second.bytes, 0)


def test_names_of_every_kind_come_back_byte_for_byte(kept: Kept) -> None:
    odd = [
        b"\xff\xfe",
        b"new\nline",
        b"-rf",
        b"a" * 255,
        "é".encode(),
        "e\u0301".encode(),
        "\u202egpj.exe".encode(),
        b"back\\slash",
        b" ",
        b"...",
        b"a\x01",
        b"a-b",
        b"a.b",
    ]
    for name in map(os.fsdecode, odd):
        (kept.root / name).mkdir()
        (kept.root / name / name).write_bytes(os.fsencode(name))
    (kept.root / "/".join(["deep" * 60] * 14)).mkdir(parents=True)
    root = kept.snapshot()
    assert kept_picture(kept.opened(), root.snapshot) == picture(kept.root)


def test_a_source_out_of_order_makes_no_snapshot(kept: Kept) -> None:
    for name in "ab":
        (kept.root / name).write_bytes(b"x")

    class Disordered(LocalTree):
        def scan(self) -> Any:
            first, *others = super().scan()
            yield first
            yield from reversed(others)

    with pytest.raises(ValueError, match="out of order"):
        kept.snapshot(source=Disordered(kept.root))
    assert kept.listed() == set()


def test_a_source_that_cannot_commit_has_its_snapshot(kept: Kept) -> None:
    class Lost(LocalTree):
        def commit(self, snapshot: bytes) -> None:
            raise SourceGone("the source went away")

    made = kept.snapshot(source=Lost(kept.root)).snapshot
    assert kept.listed() == {made}


@pytest.mark.parametrize(("limit", "chunks"), [(8 << 20, 1), (500, 4)])
def test_little_waits_for_a_bundle_to_fill(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, limit: int, chunks: int
) -> None:
    monkeypatch.setattr(assembly, "BYTES_WAITING_MAX", limit)
    stored: list[int] = []
    close = bundling.Bundle.close
    monkeypatch.setattr(bundling.Bundle, "close", lambda bundle: (stored.append(len(bundle)), close(bundle)))
    for number in range(8):
        (kept.root / f"{number}").mkdir()
        (kept.root / f"{number}" / "small").write_bytes(b"%d" % number)
        (kept.root / f"{number}" / "other").symlink_to("x" * 200)
    root = kept.snapshot()
    assert kept_picture(kept.opened(), root.snapshot) == picture(kept.root)
    assert len(stored) >= chunks
