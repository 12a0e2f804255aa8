"""The listing of a snapshot: it has what a restore needs, and is read as it was written or refused."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from backups.formats.snapshot_listing import SnapshotFiles, snapshot_listing
from repository.chunked.manifest.records import Record
from repository.errors import ManifestInvalid
from tests.repository.restoring.trees import Kept, settle, write
from tests.sidecar_daemon.snapshots import REGION_HEAD
from trees.hashes import ContentHash
from trees.source import Kind
from trees.trust import Stat
from wire.listing import (
    FILE,
    FOLDER,
    HARD_LINK,
    LEFT_OUT,
    OF_SNAPSHOT,
    SYMLINK,
    Entry,
    Listing,
    ListingDamaged,
    ListingRefused,
    ListingWriter,
)

HEAD = b"savepoint-listing 2 1700000000000000000\n"
HASH = "5a" * 32
PART = 256 << 20
ODD = b"odd \xff\n%20 name"
STAT = Stat(0o644, 1000, 1000, 7, 8, 9)


def written(*entries: Entry) -> bytes:
    pieces: list[bytes] = []
    writer = ListingWriter(pieces.append, started_ns=7, version=OF_SNAPSHOT)
    for entry in entries:
        writer.add(entry)
    writer.finish()
    return b"".join(pieces)


def test_listing_is_read_as_it_was_written() -> None:
    some = {b"user.empty": b"", b"user.odd \xff\n%": bytes(range(256)) * 500}
    entries = [
        Entry(FILE, 0o4755, 1, 2, -3, 1 << 40, 0, ODD, b"", bytes(range(32)), 8192, 5, some),
        Entry(HARD_LINK, 0o4755, 1, 2, -3, 1 << 40, 0, ODD + b"2", ODD, bytes(range(32)), 8192, 5, some),
        Entry(FOLDER, 0o700, 1, 2, 3, 0, 0, b"p", b"", b"", 0, 0, some),
        Entry(SYMLINK, 0o777, 1, 2, 3, 0, 0, b"p/link", b"\xff target", b"", 0, 0, {}),
        Entry(LEFT_OUT, 0, 0, 0, 0, 0, 0, b"q", b"Permission denied", b"", 0, 0, {}),
    ]

    listing = Listing([written(*entries)])

    assert listing.started_ns == 7
    assert list(listing.entries()) == entries
    assert list(Listing([written(*entries)]).left_out()) == entries[-1:]


@pytest.mark.parametrize(
    "line",
    [
        f"f 420 0 0 0 1 {HASH} 0 1 - a",
        f"f 420 0 0 0 1 {HASH[1:]} 0 1 - a %",
        f"f 420 0 0 0 1 {HASH.upper()} 0 1 - a %",
        "f 420 0 0 0 1 - 0 1 - a %",
        f"d 420 0 0 0 0 {HASH} 0 0 - a %",
        f"f 420 0 0 0 1 {HASH} 65537 1 - a %",
        f"f 420 0 0 0 1 {HASH} 0 2 - a %",
        f"f 420 0 0 0 1 {HASH} 0 1 dXNlci54 a %",
        f"f 420 0 0 0 1 {HASH} 0 1 dXNlci54:A a %",
        f"f 420 0 0 0 1 {HASH} 0 1 dXNlci54:,dXNlci54: a %",
        f"f 420 0 0 0 1 {HASH} 0 1 c2VjdXJpdHkueA==: a %",
        "l 511 0 0 0 0 - 0 0 dXNlci54: a target",
        f"f 420 0 0 0 1 {HASH} 0 1 - a %\nend 1\nend 1",
        "f 420 0 0 0 1 7 a %",
    ],
)
def test_entry_with_a_field_that_it_cannot_have_is_damage(line: str) -> None:
    data = gzip.compress(HEAD + line.encode() + b"\nend 1\n")

    with pytest.raises(ListingDamaged):
        list(Listing([data]).entries())


@pytest.mark.parametrize("path", ["../a", "/a", "a//b", ".savepoint/a"])
def test_entry_outside_of_the_root_is_refused(path: str) -> None:
    data = gzip.compress(HEAD + f"f 420 0 0 0 1 {HASH} 0 1 - {path} %\nend 1\n".encode())

    with pytest.raises(ListingRefused):
        list(Listing([data]).entries())


def content_hash(path: Path, header: int) -> bytes:
    found = ContentHash(path.stat().st_size, header=header)
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            found.update(memoryview(piece))
    return found.digest()


def test_snapshot_is_listed_with_the_hashes_of_its_files(tmp_path: Path) -> None:
    tree, kept = tmp_path / "tree", Kept()
    write(tree / "region" / "r.0.0.mca", REGION_HEAD + os.urandom(300_000))
    write(tree / "text", b"a line\n" * 30_000)
    write(tree / "empty", b"")
    write(tree / os.fsdecode(ODD), b"odd")
    large = write(tree / "world.db", b"SQLite format 3\0")
    with large.open("r+b") as file:
        file.seek(2 * PART + 12_345)
        file.write(b"in the third part")
    os.link(tree / "text", tree / "text again")
    (tree / "link").symlink_to("text")
    os.setxattr(tree / "text", "user.a", b"b")
    os.setxattr(tree / "region", "user.c", b"")
    settle(tree)
    manifest = kept.opened().manifest(kept.keep(tree))

    entries = {entry.path: entry for entry in Listing(snapshot_listing(manifest)).entries()}

    files = [path for path, entry in entries.items() if entry.kind == FILE]
    assert set(files) == {b"region/r.0.0.mca", b"text", b"empty", ODD, b"world.db"}
    for path in files:
        on_disk = tree / os.fsdecode(path)
        status, entry = on_disk.stat(), entries[path]
        assert (entry.mode, entry.uid, entry.gid, entry.mtime_ns, entry.size) == (
            status.st_mode & 0o7777, status.st_uid, status.st_gid, status.st_mtime_ns, status.st_size,
        )  # fmt: skip
        assert entry.hash == content_hash(on_disk, entry.header)
    assert entries[b"region/r.0.0.mca"].header == 8192
    assert entries[b"world.db"].data < 1 << 20 < entries[b"world.db"].size
    assert entries[b"text"].xattrs == {b"user.a": b"b"}
    assert entries[b"region"].xattrs == {b"user.c": b""}
    assert entries[b"text again"] == entries[b"text"]._replace(kind=HARD_LINK, path=b"text again", link=b"text")
    assert entries[b"link"].link == b"text"

    found = SnapshotFiles(manifest)
    for numbers in ([0, 2], [3], [1, 4], [0]):
        assert [record.path for record, _ in found.find(numbers)] == [files[number] for number in numbers]
    with pytest.raises(LookupError):
        list(found.find([5]))


def test_hard_link_without_its_file_is_no_manifest() -> None:
    kept = Kept()
    records = [
        Record(Kind.FOLDER, b"", STAT),
        Record(Kind.HARDLINK, b"a", target=b"b"),
        Record(Kind.FILE, b"b", STAT, target=b"content"),
    ]
    manifest = kept.opened().manifest(kept.keep_records(records))

    with pytest.raises(ManifestInvalid):
        list(snapshot_listing(manifest))


def test_skipped_entry_is_left_out_with_its_reason() -> None:
    kept = Kept()
    records = [Record(Kind.FOLDER, b"", STAT), Record(Kind.SKIPPED, b"socket", target=b"a socket")]
    manifest = kept.opened().manifest(kept.keep_records(records))

    (entry,) = Listing(snapshot_listing(manifest)).left_out()

    assert (entry.path, entry.link) == (b"socket", b"a socket")
