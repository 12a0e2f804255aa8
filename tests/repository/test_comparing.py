"""Differences between two snapshots, and between a snapshot and current files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from repository.chunked.chunks.chunk import Compressor, block_hashes
from repository.chunked.chunks.repository_keys import DataKey
from repository.chunked.comparing import Difference, DifferenceKind, snapshots_diff, tree_diff
from repository.chunked.index.index import Index
from repository.chunked.manifest.records import Content, Record, record_pack
from repository.chunked.manifest.root import SnapshotRoot, root_store
from repository.chunked.manifest.stream import ManifestWriter
from repository.chunked.objects import id_new
from repository.chunked.packs.fetching import ChunkStore, Span
from repository.chunked.packs.writing import ChunkWriter
from repository.chunked.repository import Repository, repository_create
from repository.chunked.snapshots.create import snapshot_create
from tests.repository.maintenance.world import REPOSITORY, TENANT
from tests.storage.memory import MemoryStorage
from trees.local.tree import LocalTree
from trees.source import Kind, SourceEntry
from trees.trust import Stat


@pytest.fixture
def repository() -> Repository:
    return repository_create(MemoryStorage(), tenant=TENANT, repository=REPOSITORY, keys=DataKey(bytes(32)))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with entries of every kind."""
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "folder" / "deep" / "file").write_bytes(b"content")
    (tmp_path / "folder-and-more").write_bytes(b"x" * 200_000)
    (tmp_path / "link").symlink_to("folder")
    (tmp_path / "region.mca").write_bytes(bytes(8192) + Random(1).randbytes(300_000))  # noqa: S311
    with (tmp_path / "sparse").open("wb") as file:
        file.write(b"begin")
        file.truncate(1 << 20)
    (tmp_path / "plain").write_bytes(b"plain")
    (tmp_path / "twin").hardlink_to(tmp_path / "plain")
    return tmp_path


def kept(repository: Repository, tree: Path, parent: bytes | None = None) -> bytes:
    return snapshot_create(repository, source=LocalTree(tree), parent=parent).snapshot


def touched(path: Path) -> None:
    """Change the time but not the content."""
    os.utime(path, ns=(10**18, 10**18), follow_symlinks=False)


def rewritten(path: Path) -> None:
    """Change the content but neither size nor time."""
    stat = path.stat()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def relinked(path: Path) -> None:
    stat = path.parent.stat()
    path.unlink()
    path.symlink_to("elsewhere")
    os.utime(path.parent, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def replaced(path: Path) -> None:
    stat = path.parent.stat()
    path.unlink()
    path.mkdir()
    os.utime(path.parent, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def removed(path: Path) -> None:
    stat = path.parent.stat()
    path.unlink()
    os.utime(path.parent, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def added(path: Path) -> None:
    stat = path.parent.stat()
    path.write_bytes(b"new")
    os.utime(path.parent, ns=(stat.st_atime_ns, stat.st_mtime_ns))


CASES: list[tuple[Callable[[Path], None], str, DifferenceKind]] = [
    (touched, "folder-and-more", DifferenceKind.METADATA),
    (touched, "folder/deep", DifferenceKind.METADATA),
    (lambda path: path.chmod(0o600), "sparse", DifferenceKind.METADATA),
    (lambda path: os.setxattr(path, "user.x", b"1"), "sparse", DifferenceKind.METADATA),
    (rewritten, "folder-and-more", DifferenceKind.CONTENT),
    (rewritten, "region.mca", DifferenceKind.CONTENT),
    (rewritten, "sparse", DifferenceKind.CONTENT),
    (lambda path: path.write_bytes(b"shorter"), "folder/deep/file", DifferenceKind.CONTENT),
    (relinked, "link", DifferenceKind.CONTENT),
    (replaced, "folder-and-more", DifferenceKind.KIND),
    (removed, "folder/deep/file", DifferenceKind.REMOVED),
    (added, "folder/deep/new", DifferenceKind.ADDED),
]


@pytest.mark.parametrize(("how", "name", "change"), CASES)
def test_a_change_is_found_and_nothing_else(
    repository: Repository, tree: Path, how: Callable[[Path], None], name: str, change: DifferenceKind
) -> None:
    first = kept(repository, tree)
    how(tree / name)
    expected = [(os.fsencode(name), change)]
    assert seen(tree_diff(repository, snapshot=first, source=LocalTree(tree))) == expected
    second = snapshot_create(repository, source=LocalTree(tree), parent=first, trust_stat=False).snapshot
    assert seen(snapshots_diff(repository, old=first, new=second)) == expected
    back = {DifferenceKind.ADDED: DifferenceKind.REMOVED, DifferenceKind.REMOVED: DifferenceKind.ADDED}
    assert seen(snapshots_diff(repository, old=second, new=first)) == [(os.fsencode(name), back.get(change, change))]


def seen(differences: object) -> list[tuple[bytes, DifferenceKind]]:
    return [(found.path, found.change) for found in differences]  # type: ignore[attr-defined]


def test_nothing_differs_from_itself(repository: Repository, tree: Path) -> None:
    snapshot = kept(repository, tree)
    assert list(snapshots_diff(repository, old=snapshot, new=snapshot)) == []
    for trust in (False, True):
        assert list(tree_diff(repository, snapshot=snapshot, source=LocalTree(tree), trust_stat=trust)) == []


def test_sizes_and_kinds_are_reported(repository: Repository, tree: Path) -> None:
    first = kept(repository, tree)
    replaced(tree / "folder-and-more")
    [found] = tree_diff(repository, snapshot=first, source=LocalTree(tree))
    assert found == Difference(b"folder-and-more", DifferenceKind.KIND, Kind.FILE, Kind.FOLDER, 200_000, None)


def test_a_trusted_stat_spares_the_reading(repository: Repository, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trees.trust.WRITTEN_BACK_NS", -1_000_000_000)  # trust even files written just now
    snapshot = kept(repository, tree)

    class Counting(LocalTree):
        def __init__(self, root: Path) -> None:
            super().__init__(root)
            self.opened: list[bytes] = []

        def open(self, entry: SourceEntry, *, in_place: bool, span: tuple[int, int] | None = None):  # type: ignore[no-untyped-def]  # an edge of a test
            self.opened.append(entry.path)
            return super().open(entry, in_place=in_place)

    trusting, reading = Counting(tree), Counting(tree)
    touched(tree / "sparse")
    list(tree_diff(repository, snapshot=snapshot, source=trusting, trust_stat=True))
    list(tree_diff(repository, snapshot=snapshot, source=reading))
    assert trusting.opened == [b"sparse"]
    assert len(reading.opened) == 5


def many(tree: Path, count: int) -> None:
    for number in range(count):
        (tree / f"f{number:05}").write_bytes(b"%d" % number)


def test_shared_chunks_of_two_snapshots_are_not_read(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many(tmp_path, 4000)
    # A file written right before a snapshot is read again by the next one; after that its stat is trusted.
    monkeypatch.setattr("trees.trust.WRITTEN_BACK_NS", 0)
    first = kept(repository, tmp_path, kept(repository, tmp_path))
    (tmp_path / "f02000-and-more").write_bytes(bytes(300_000))
    touched(tmp_path)
    second = kept(repository, tmp_path, first)
    chunks = len(repository.manifest(first).root.firsts)
    read: list[bytes] = []
    read_span = ChunkStore.read_span

    def counted(store: ChunkStore, span: Span):  # type: ignore[no-untyped-def]
        read.extend(chunk for chunk, _ in span.chunks)
        return read_span(store, span)

    monkeypatch.setattr(ChunkStore, "read_span", counted)
    assert seen(snapshots_diff(repository, old=first, new=second)) == [
        (b"", DifferenceKind.METADATA),
        (b"f02000-and-more", DifferenceKind.ADDED),
    ]
    assert chunks > 5
    assert len(read) <= 4  # two of each snapshot: one with the root folder, and one with the file


@pytest.mark.parametrize("seed", range(12))
def test_any_evolution_matches_a_plain_comparison(repository: Repository, tmp_path: Path, seed: int) -> None:
    random = Random(seed)  # noqa: S311
    many(tmp_path, 1500)
    first = kept(repository, tmp_path)
    before = state(tmp_path)
    for _ in range(random.choice([1, 5, 60])):
        name = tmp_path / f"f{random.randrange(2000):05}"
        if name.exists() and random.random() < 0.5:
            name.unlink()
        else:
            name.write_bytes(random.randbytes(random.randrange(1, 3000)))
    second = kept(repository, tmp_path, first)
    after = state(tmp_path)
    expected = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    assert [path for path, _ in seen(snapshots_diff(repository, old=first, new=second)) if path] == expected
    assert [path for path, _ in seen(tree_diff(repository, snapshot=first, source=LocalTree(tmp_path))) if path] == (
        expected
    )


def state(tree: Path) -> dict[bytes, bytes]:
    return {os.fsencode(path.name): path.read_bytes() for path in tree.iterdir()}


@pytest.mark.parametrize("offset", [5, 700, 1500, 2700])
def test_file_of_many_parts_is_compared_despite_shared_chunks(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offset: int
) -> None:
    for module in (
        "repository.chunked.manifest.records",
        "repository.chunked.snapshots.contents",
        "repository.chunked.comparing",
    ):
        monkeypatch.setattr(f"{module}.PART_SIZE", 1 << 16, raising=False)
    monkeypatch.setattr("repository.chunked.manifest.stream.PART_SIZE", 1 << 16)
    monkeypatch.setattr("repository.chunked.manifest.stream.CUT_LEAST", 1 << 9)
    monkeypatch.setattr("repository.chunked.manifest.stream.CUT_AVERAGE", 1 << 8)
    many(tmp_path, 300)
    big = tmp_path / "f00150-big"
    with big.open("wb") as file:
        random = Random(3)  # noqa: S311
        for _ in range(3000):
            file.write(random.randbytes(1 << 10))
    first = kept(repository, tmp_path)
    firsts = repository.manifest(first).root.firsts
    assert len(set(firsts)) < len(firsts)  # some chunks begin with a part
    with big.open("r+b") as file:
        file.seek(offset << 10)
        file.write(b"changed")
    os.utime(big, ns=(1, 1))
    second = kept(repository, tmp_path, first)
    assert seen(snapshots_diff(repository, old=first, new=second)) == [(os.fsencode(big.name), DifferenceKind.CONTENT)]


def test_a_part_that_differs_behind_a_shared_record_is_found(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chunks with the file's record and first parts are skipped; the last part is compared nevertheless."""
    for module in ("records", "stream"):
        monkeypatch.setattr(f"repository.chunked.manifest.{module}.PART_SIZE", 10)
    monkeypatch.setattr("repository.chunked.manifest.stream.CUT_LEAST", 1)
    monkeypatch.setattr("repository.chunked.manifest.stream._is_cut", lambda path, length: True)
    old, new = (written(repository, last) for last in (b"o", b"n"))
    assert [len(repository.manifest(snapshot).root.firsts) for snapshot in (old, new)] == [5, 5]
    assert seen(snapshots_diff(repository, old=old, new=new)) == [(b"file", DifferenceKind.CONTENT)]


def written(repository: Repository, last: bytes) -> bytes:
    """A snapshot of a file of three parts between two folders; `last` determines the hash of the last part."""
    writer = ChunkWriter(repository.objects, repository.cipher, Index.load(repository.objects))
    compressor = Compressor()
    manifest = ManifestWriter(lambda type_, plain: writer.store(type_, plain, block_hashes(plain), compressor))
    meta = Stat(0o755, 0, 0, 0, 0, 0)
    hole = (10, -1, 0)
    records = [
        Record(Kind.FOLDER, b"", meta),
        Record(Kind.FILE, b"file", meta, size=30, content=Content(b"", hole, b"", None)),
        Record(Kind.PART, b"file", number=1, content=Content(b"", hole, b"", None)),
        Record(Kind.PART, b"file", number=2, content=Content(b"", hole, b"", last * 32)),
        Record(Kind.FOLDER, b"folder", meta),
    ]
    for record in records:
        manifest.add(record.path, record_pack(record))
    hash_ = manifest.finish()
    writer.finish()
    writer.end()
    numbers = dict.fromkeys(("entries", "files", "bytes", "skipped", "warnings", "added_bytes", "stored_bytes"), 0)
    root = SnapshotRoot(
        snapshot=id_new(), parent=None, created_at=repository.time(), scan_started_ns=0, labels={},
        chunks=bytes(manifest.ids), firsts=manifest.firsts, hash=hash_, **numbers,
    )  # fmt: skip
    root_store(repository.objects, root)
    return root.snapshot
