"""Manifests that no writer produces, and targets that change during a restore: contained, or refused."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from demo.comparison import tree_read
from repository.chunked.manifest.records import Content, Record
from repository.chunked.restoring import folders as folders_module
from repository.chunked.restoring.outcome import Failure, FailureReason, RestoreLimits
from repository.errors import ManifestInvalid, RepositoryLimitReached, TargetFailed
from tests.repository.restoring.trees import MTIME, Kept, file, folder, hard_link, meta, symlink, write
from trees.source import Kind

ROOT = folder(b"")
OUTSIDE = b"outside"


@pytest.fixture
def outside(place: Path) -> Path:
    """A folder that no restore may change."""
    write(place / "outside" / "secret", b"secret", mode=0o600)
    return place / "outside"


@pytest.fixture(autouse=True)
def contained(place: Path, outside: Path):
    before = tree_read(outside), outside.stat().st_mode
    yield
    assert (tree_read(outside), outside.stat().st_mode) == before
    assert {path.name for path in place.iterdir()} <= {"outside", "target", "source"}


def extents(*flat: int) -> Record:
    content = Content(b"\x07" * 32, flat, b"\x00" * 32, b"\x00" * 32)
    return Record(Kind.FILE, b"a", meta(), size=10, content=content)


@pytest.mark.parametrize(
    "records",
    [
        [ROOT, file(b"../out", b"x")],
        [ROOT, file(b"/etc/out", b"x")],
        [ROOT, folder(b"a"), file(b"a/../../out", b"x")],
        [ROOT, folder(b"a"), file(b"a/./b", b"x")],
        [ROOT, file(b"a//b", b"x")],
        [ROOT, symlink(b"a", OUTSIDE), file(b"a/secret", b"x")],
        [ROOT, file(b"a", b"x"), file(b"a/b", b"x")],
        [ROOT, file(b"a/b", b"x")],
        [file(b"a", b"x")],
        [ROOT, file(b"a", b"x"), file(b"a", b"y")],
        [ROOT, symlink(b"a", OUTSIDE), folder(b"a")],
        [ROOT, file(b"b", b"x"), file(b"a", b"x")],
        [ROOT, Record(Kind.FOLDER, b"a", meta(mode=0o20755))],
        [ROOT, Record(Kind.FOLDER, b"a", meta(mtime_ns="late"))],
        [ROOT, Record(Kind.FOLDER, b"a", meta(mtime_ns=1 << 100))],
        [ROOT, Record(Kind.FOLDER, b"a", meta(mtime_ns=-(1 << 100)))],
        [ROOT, extents(10, 1, 0)],
        [ROOT, extents(9, 0, 0)],
        [ROOT, extents(10, 0, -5)],
        [ROOT, extents(-10, 0, 0, 20, 0, 0)],
    ],
)
def test_manifest_with_an_escaping_path_is_refused_before_any_write(
    kept: Kept, target: Path, records: list[Record]
) -> None:
    snapshot = kept.keep_records(records)

    with pytest.raises(ManifestInvalid):
        kept.restore(snapshot, target)

    assert not target.exists()


def test_a_hard_link_to_a_link_or_a_folder_is_not_made(kept: Kept, target: Path, outside: Path) -> None:
    write(target / "live")
    (target / "live link").symlink_to(outside / "secret")
    records = [
        ROOT,
        folder(b"folder"),
        symlink(b"link", os.fsencode(outside / "secret")),
        hard_link(b"z1", b"link"),
        hard_link(b"z2", b"folder"),
        hard_link(b"z3", b"live link"),
        hard_link(b"z4", b"nothing"),
        hard_link(b"z5", b"link/secret"),
        file(b"z6", b"z6"),
    ]

    report = kept.restore(kept.keep_records(records), target)

    assert {path for path, _ in report.failed} == {b"z1", b"z2", b"z3", b"z4", b"z5"}
    assert sorted(tree_read(target)) == [b"folder", b"link", b"live", b"live link", b"z6"]
    assert (outside / "secret").stat().st_nlink == 1


def test_a_hard_link_never_leads_through_a_link(kept: Kept, target: Path, outside: Path) -> None:
    """Not even through a link in the place of the first name's folder."""
    (target).mkdir()
    (target / "a").symlink_to(outside)
    report = kept.restore(kept.keep_records([ROOT, hard_link(b"b", b"a/secret")]), target)

    assert [path for path, _ in report.failed] == [b"b"]


def test_an_extent_that_a_chunk_does_not_have_costs_the_file(kept: Kept, target: Path) -> None:
    whole = kept.keep_records([ROOT, file(b"a", b"0123456789")])
    found = next(record for record, _ in kept.opened().manifest(whole).files() if record.path == b"a")
    assert found.content is not None
    longer = found._replace(path=b"b", content=found.content._replace(extents=(10, 0, 5)))

    report = kept.restore(kept.keep_records([ROOT, found, longer]), target)

    assert report.failed == [Failure(b"b", FailureReason.DAMAGED)]
    assert tree_read(target).keys() == {b"a"}


def test_the_reserved_name_is_refused(kept: Kept, target: Path) -> None:
    records = [ROOT, folder(b".savepoint"), file(b".savepoint/restoring", b"x"), folder(b"a"), folder(b"a/.savepoint")]

    report = kept.restore(kept.keep_records(records), target)

    assert set(report.failed) == {
        Failure(b".savepoint", FailureReason.RESERVED_NAME),
        Failure(b".savepoint/restoring", FailureReason.RESERVED_NAME),
    }
    assert tree_read(target).keys() == {b"a", b"a/.savepoint"}


@pytest.mark.parametrize("existing", [True, False])
def test_setuid_is_dropped(kept: Kept, target: Path, *, existing: bool) -> None:
    if existing:
        write(target / "a", b"x", mode=0o4755)
        write(target / "b").chmod(0o7777)
    records = [ROOT, file(b"a", b"x", mode=0o6755), Record(Kind.FOLDER, b"b", meta(mode=0o7777))]

    kept.restore(kept.keep_records(records), target)

    assert stat.S_IMODE((target / "a").stat().st_mode) == 0o755
    assert stat.S_IMODE((target / "b").stat().st_mode) == 0o777


@pytest.mark.parametrize(
    "limits",
    [RestoreLimits(entries=3), RestoreLimits(bytes=19), RestoreLimits(depth=1)],
    ids=["entries", "bytes", "depth"],
)
def test_snapshot_beyond_the_limits_is_refused(kept: Kept, target: Path, limits: RestoreLimits) -> None:
    snapshot = kept.keep_records([ROOT, folder(b"a"), file(b"a/b", b"x" * 10), file(b"a/c", b"x" * 10)])

    with pytest.raises(RepositoryLimitReached):
        kept.restore(snapshot, target, limits=limits)

    assert not target.exists()
    assert kept.restore(snapshot, target, limits=RestoreLimits(entries=4, bytes=20, depth=2)).failed == []


def test_limits_apply_to_written_bytes_despite_earlier_counts(
    kept: Kept, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = kept.keep_records([ROOT, file(b"a", b"x" * 100), file(b"b", b"y" * 100)])
    write(target / "a", b"before")
    monkeypatch.setattr("repository.chunked.restoring.selection._data_size", lambda record: 0)

    with pytest.raises(RepositoryLimitReached):
        kept.restore(snapshot, target, limits=RestoreLimits(bytes=150))

    assert (target / "a").read_bytes() == b"before"
    assert sorted(tree_read(target)) == [b"a"]


@pytest.mark.parametrize("existing", [True, False], ids=["delta", "fresh"])
def test_a_folder_that_becomes_a_link_meanwhile_leads_nowhere(
    kept: Kept, target: Path, outside: Path, monkeypatch: pytest.MonkeyPatch, *, existing: bool
) -> None:
    """Another process moves each new folder away and puts a link to the outside in its place."""
    if existing:
        write(target / "other", b"x")
    make = folders_module.Folders.make

    def making(self: folders_module.Folders, path: bytes) -> bool:
        made = make(self, path)
        live = target / os.fsdecode(path)
        live.rename(target / f"moved {live.name}")
        live.symlink_to(outside)
        return made

    monkeypatch.setattr(folders_module.Folders, "make", making)
    records = [
        ROOT,
        folder(b"a"),
        folder(b"a/b"),
        symlink(b"a/l", b"x"),
        file(b"a/secret", b"x"),
        hard_link(b"h", b"a/secret"),
    ]

    report = kept.restore(kept.keep_records(records), target, delete=True)

    assert b"a/secret" in {path for path, _ in report.failed}


def test_a_folder_that_becomes_a_link_while_content_is_fetched(
    kept: Kept, target: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(target / "a" / "old", b"old")
    snapshot = kept.keep_records([ROOT, folder(b"a"), file(b"a/secret", b"x"), symlink(b"a/z", b"x")])
    found = next(record for record, _ in kept.opened().manifest(snapshot).files() if record.path == b"a/secret")
    pack = kept.pack_of(next(found.content.chunk_ids()))
    read = kept.storage.read

    def reading(key: str, **where: int):
        if key == pack and not (target / "a").is_symlink():
            (target / "a").rename(target / "moved")
            (target / "a").symlink_to(outside)
        return read(key, **where)

    monkeypatch.setattr(kept.storage, "read", reading)

    kept.restore(snapshot, target)

    assert (target / "a").is_symlink()
    assert (target / "moved" / "secret").read_bytes() == b"x"


# Only root can give a folder to another user.
@pytest.mark.parametrize("taken", ["symlink", "file", *(["foreign"] if os.geteuid() == 0 else [])])
def test_foreign_reserved_folder_is_not_used(kept: Kept, target: Path, outside: Path, taken: str) -> None:
    target.mkdir()
    if taken == "symlink":
        (target / ".savepoint").symlink_to(outside)
    elif taken == "file":
        write(target / ".savepoint", b"x")
    else:
        write(target / ".savepoint")
        os.chown(target / ".savepoint", 1234, 1234)
    before = tree_read(target)

    with pytest.raises(TargetFailed):
        kept.restore(kept.keep_records([ROOT, file(b"a", b"x")]), target)

    assert tree_read(target) == before


def test_leftovers_of_a_dead_restore_are_swept(kept: Kept, target: Path) -> None:
    """Files of other programs in the reserved folder stay."""
    write(target / ".savepoint" / "restoring" / "7", b"half")
    write(target / ".savepoint" / "restoring" / "8" / "deep" / "er", b"half")
    (target / ".savepoint" / "restoring" / "8" / "deep").chmod(0)
    write(target / ".savepoint" / "another" / "journal", b"theirs")

    kept.restore(kept.keep_records([ROOT, file(b"a", b"x")]), target)

    assert sorted(tree_read(target)) == [b".savepoint", b".savepoint/another", b".savepoint/another/journal", b"a"]


def test_a_name_that_the_target_cannot_hold_costs_only_that(kept: Kept, target: Path) -> None:
    long = b"n" * 256
    records = [
        ROOT,
        file(b"a", b"x"),
        folder(long),
        file(long + b"/a", b"x"),
        file(long + b"b", b"x"),
        file(b"z", b"x"),
    ]

    report = kept.restore(kept.keep_records(records), target)

    assert set(report.failed) == {
        Failure(long, FailureReason.NAME_REFUSED),
        Failure(long + b"/a", FailureReason.FOLDER_FAILED),
        Failure(long + b"b", FailureReason.NAME_REFUSED),
    }
    assert tree_read(target).keys() == {b"a", b"z"}


def test_extremes_of_depth(kept: Kept, target: Path) -> None:
    paths = [b"/".join([b"d"] * depth) for depth in range(1, 1500)]
    snapshot = kept.keep_records([ROOT, *(folder(path) for path in paths), file(paths[-1] + b"/end", b"deep")])

    for _ in range(2):
        assert kept.restore(snapshot, target).failed == []
    report = kept.restore(kept.keep_records([ROOT]), target, delete=True)

    assert (report.removed, list(target.iterdir())) == (1, [])


def test_an_entry_that_has_come_between_is_not_written_through(
    kept: Kept, target: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process creates a link in an empty target, right before the file of that name."""
    target.mkdir()
    open_: Callable = os.open

    def opening(path, flags, *arguments, **options):
        if path == b"a" and flags & os.O_CREAT and not (target / "a").is_symlink():
            (target / "a").symlink_to(outside / "secret")
        return open_(path, flags, *arguments, **options)

    monkeypatch.setattr(os, "open", opening)

    report = kept.restore(kept.keep_records([ROOT, file(b"a", b"x"), file(b"b", b"x")]), target)

    assert [path for path, _ in report.failed] == [b"a"]
    assert (target / "a").is_symlink()
    assert (target / "b").lstat().st_mtime_ns == MTIME
