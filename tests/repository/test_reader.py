"""A program that knows only FORMAT.md restores the product's repositories."""

from __future__ import annotations

import ast
import os
import stat
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest
from blake3 import blake3

from repository.chunked.chunks.cipher import Suite
from repository.chunked.chunks.repository_keys import DataKey
from repository.chunked.maintenance.coverage import Coverage
from repository.chunked.maintenance.verify import repository_verify
from repository.chunked.objects import PACKS
from repository.chunked.repository import repository_create
from repository.chunked.snapshots.create import snapshot_create
from targets.local import LocalStorage
from tests.repository import reader
from trees.local.tree import LocalTree
from trees.sectors.map import SectorMap

TENANT, REPOSITORY, DATA_KEY = UUID(int=1), UUID(int=2), bytes(range(32))
MIB = 1 << 20
PART = 256 * MIB
REGION, DATABASE = "world/region/r.0.-1.mca", "world/level.db"
HUGE, HUGE_REGION = "huge.bin", "huge.mca"
NAMES = (
    b"-rf *",
    b"new\nline",
    b"\xff\xfe latin",
    "größe 世界 🗺".encode(),
    b"back\\slash",
    b"a" * 255,
    b"a.",
    b"a-",
    b"a0",
)


def region_head(sectors: int) -> bytes:
    """The tables at the beginning of a region file, which identify it."""
    return struct.pack(">1024I", *(2 << 8 | sectors - 2 if n == 5 else 0 for n in range(1024))) + bytes(4096)


def sparse(path: Path, size: int, *, data: dict[int, bytes]) -> None:
    with path.open("wb") as made:
        made.truncate(size)
        for offset, content in data.items():
            made.seek(offset)
            made.write(content)


def edit(path: Path, offset: int, content: bytes) -> None:
    with path.open("r+b") as made:
        made.seek(offset)
        made.write(content)


def tree_make(root: Path, random: Random) -> None:
    (root / "world/region").mkdir(parents=True)
    (root / "empty").mkdir(mode=0o700)
    (root / REGION).write_bytes(region_head(200) + random.randbytes(3 * MIB - 12345))
    (root / DATABASE).write_bytes(b"SQLite format 3\0" + random.randbytes(2 * MIB + 4096 - 16))
    (root / "world/content.pak").write_bytes(random.randbytes(6 * MIB + 77))
    (root / "world/text.log").write_bytes(b"the same line again\n" * 30_000)
    (root / "world/zero").write_bytes(b"")
    sparse(root / "world/hole.dat", 3 * MIB, data={MIB + 100: random.randbytes(70_000)})
    sparse(root / "world/nothing.dat", 5 * MIB + 3, data={})
    for name in NAMES:
        (root / os.fsdecode(name)).write_bytes(name)
    (root / "a").mkdir()
    (root / "a" / "below").write_bytes(b"comes before its folder's neighbours")
    (root / "link").symlink_to("world/level.db")
    (root / "dangling").symlink_to(os.fsdecode(b"../no/\xfe"))
    (root / "world/twin.mca").hardlink_to(root / REGION)
    (root / "twin").hardlink_to(root / "world/text.log")
    os.mkfifo(root / "pipe")
    for path in (root / REGION, root / "world", root):
        os.setxattr(path, "user.note", bytes([0, 255]))
    (root / "world/text.log").chmod(0o4750)
    (root / "empty").chmod(0o1777)
    os.utime(root / "empty", ns=(-1, -1_500_000_000))
    os.utime(root / "dangling", ns=(7, 7), follow_symlinks=False)
    os.utime(root / DATABASE, ns=(0, 1_234_567_890_123_456_789))


def huge_make(root: Path, random: Random) -> None:
    """Files of two and three parts: holes, except at their ends and at the borders of parts."""
    border = random.randbytes(300_000)
    sparse(root / HUGE, 2 * PART + 1, data={5: b"first", PART - 150_000: border, 2 * PART: b"z"})
    sparse(root / HUGE_REGION, PART + MIB, data={0: region_head(9), PART - 100_000: border})


def huge_play(root: Path, random: Random) -> None:
    edit(root / HUGE, PART - 10, random.randbytes(20))
    edit(root / HUGE_REGION, PART + 8192 - 3, random.randbytes(6))


def tree_play(root: Path, random: Random) -> None:
    """Change the tree as a server does: rewrite pages and sectors in place, extend, remove and add files."""
    for _ in range(5):
        edit(root / REGION, random.randrange(8192, 2 * MIB), random.randbytes(5000))
        edit(root / DATABASE, 4096 * random.randrange(1, 500), random.randbytes(4096))
    edit(root / "world/hole.dat", 2 * MIB, b"no hole any more")
    (root / "world/content.pak").write_bytes(b"before" + (root / "world/content.pak").read_bytes())
    edit(root / "world/text.log", 600_000, b"one more\n")
    os.truncate(root / "world/nothing.dat", 4 * MIB)
    if (root / "world/zero").is_file():
        (root / "world/zero").unlink()
        (root / "world/zero").mkdir()
        (root / "link").unlink()
        (root / "link").write_bytes(random.randbytes(200_000))


Portrait = dict[bytes, tuple[object, ...]]


def portrait(root: Path) -> Portrait:
    """Every property of every path that a backup must restore; hard links by the first of their names."""
    found: dict[bytes, tuple[object, ...]] = {}
    firsts: dict[int, bytes] = {}
    for place in sorted([os.fsencode(root), *(os.fsencode(path) for path in root.rglob("*"))]):
        path, status = os.path.relpath(place, os.fsencode(root)), os.lstat(place)
        kind, owner = stat.S_IFMT(status.st_mode), (status.st_uid, status.st_gid)
        if kind == stat.S_IFIFO:
            continue
        content: object = None
        if kind == stat.S_IFLNK:
            content = os.fsencode(Path(os.fsdecode(place)).readlink())
        elif kind == stat.S_IFREG:
            digest = blake3().update_mmap(os.fsdecode(place)).hexdigest() if status.st_size else ""
            content = (status.st_size, digest, firsts.setdefault(status.st_ino, path))
        names = [] if kind == stat.S_IFLNK else os.listxattr(place)
        xattrs = {name: os.getxattr(place, name) for name in names if name.startswith("user.")}
        found[path] = (status.st_mode, owner, status.st_mtime_ns, xattrs, content)
    return found


def content_of(independent: reader.Repository, snapshot: str, path: str) -> list[object]:
    records = independent.records(independent.snapshot(snapshot))
    return next(record[5] for record in records if record[:2] == [reader.FILE, path.encode()])


def snapshots_made(root: Path, store: Path, suite: Suite, play: Callable[[Path, Random], None]) -> list[Portrait]:
    """Make three snapshots with a play after each; returns their portraits. The AES suite also uses a sector map."""
    random = Random(suite.value)  # noqa: S311  # nothing is secret here
    keys = DataKey(DATA_KEY)
    repository = repository_create(LocalStorage(store), tenant=TENANT, repository=REPOSITORY, keys=keys, suite=suite)
    portraits, parent = [], None
    with closing(SectorMap(store.parent / "map")) as sectors:
        for number in range(3):
            source = LocalTree(root, sector_map=sectors if suite is Suite.AES_256_GCM else None)
            parent = snapshot_create(repository, source=source, parent=parent, labels={"n": str(number)}).snapshot
            portraits.append(portrait(root))
            play(root, random)
    return portraits


def snapshots_of(independent: reader.Repository) -> list[str]:
    """The ids of the snapshots in their order."""
    roots = independent.snapshots().items()
    return [name for name, _ in sorted(roots, key=lambda found: found[1]["labels"]["n"])]


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """A folder for the tree, and one for the storage."""
    root, store = tmp_path / "tree", tmp_path / "store"
    root.mkdir()
    store.mkdir()
    return root, store


@pytest.mark.parametrize("suite", Suite)
def test_every_snapshot_is_restored_byte_for_byte_by_another_program(
    suite: Suite, places: tuple[Path, Path], tmp_path: Path
) -> None:
    root, store = places
    tree_make(root, Random(7))  # noqa: S311
    portraits = snapshots_made(root, store, suite, tree_play)
    independent = reader.Repository(store, TENANT, REPOSITORY, DATA_KEY)
    snapshots = snapshots_of(independent)
    assert len(snapshots) == 3
    for name, expected in zip(snapshots, portraits, strict=True):
        independent.restore(name, tmp_path / name)
        assert portrait(tmp_path / name) == expected

    first, _, last = snapshots
    for path in (REGION, DATABASE):
        old, new = content_of(independent, first, path), content_of(independent, last, path)
        assert set(reader.split(old[0], 32)) & set(reader.split(new[0], 32)), f"{path} was stored anew"
        assert any(offset for offset in new[1][2::3]), f"nothing of {path} lies inside an older chunk"


def test_files_of_several_parts_are_restored_by_another_program(places: tuple[Path, Path], tmp_path: Path) -> None:
    root, store = places
    huge_make(root, Random(8))  # noqa: S311
    portraits = snapshots_made(root, store, Suite.AES_256_GCM, huge_play)
    independent = reader.Repository(store, TENANT, REPOSITORY, DATA_KEY)
    last = snapshots_of(independent)[2]
    numbers = [record[2] for record in independent.records(independent.snapshot(last)) if record[0] == reader.FILE_PART]
    assert numbers == [1, 2, 1]
    independent.restore(last, tmp_path / "restored")
    assert portrait(tmp_path / "restored") == portraits[2]


class Lying(reader.Repository):
    """A repository in which the record of a file, or the root, is altered."""

    def __init__(self, store: Path, content: dict[int, object], root: dict[str, object]) -> None:
        super().__init__(store, TENANT, REPOSITORY, DATA_KEY)
        self._content, self._root = content, root

    def snapshot(self, name: str) -> dict[str, object]:
        return super().snapshot(name) | self._root

    def records(self, root: dict[str, object]) -> list[list[Any]]:
        found = list(super().records(root))
        for record in found:
            if record[0] == reader.FILE:
                record[5] = [self._content.get(at, said) for at, said in enumerate(record[5])]
        return found


@pytest.mark.parametrize(
    ("content", "root", "what"),
    [
        ({2: bytes(3 * 32)}, {}, "block"),
        ({2: bytes(4 * 32)}, {}, "block"),
        ({2: b""}, {}, "block"),
        ({3: bytes(32)}, {}, "hash of the file"),
        ({3: None}, {}, "hash of the file"),
        ({1: [3 * 65536, 0, 1]}, {}, "extent"),
        ({1: [3 * 65536 - 1, 0, 0]}, {}, "extents"),
        ({1: [3 * 65536, -1, 0]}, {}, "block"),
        ({}, {"hash": bytes(32)}, "manifest"),
    ],
)
def test_no_hash_is_taken_on_trust(
    content: dict[int, object], root: dict[str, object], what: str, places: tuple[Path, Path], tmp_path: Path
) -> None:
    tree, store = places
    (tree / "file").write_bytes(Random(3).randbytes(3 * 65536))  # noqa: S311
    repository = repository_create(LocalStorage(store), tenant=TENANT, repository=REPOSITORY, keys=DataKey(DATA_KEY))
    snapshot = snapshot_create(repository, source=LocalTree(tree)).snapshot.hex()
    Lying(store, {}, {}).restore(snapshot, tmp_path / "sound")
    assert portrait(tmp_path / "sound") == portrait(tree)
    with pytest.raises(reader.Damaged, match=what):
        Lying(store, content, root).restore(snapshot, tmp_path / "restored")


def test_directories_of_packs_match_the_index(places: tuple[Path, Path]) -> None:
    root, store = places
    (root / "file").write_bytes(Random(2).randbytes(3 * MIB))  # noqa: S311
    repository = repository_create(LocalStorage(store), tenant=TENANT, repository=REPOSITORY, keys=DataKey(DATA_KEY))
    snapshot_create(repository, source=LocalTree(root))
    independent = reader.Repository(store, TENANT, REPOSITORY, DATA_KEY)
    indexed = sorted((*key[::-1], *place) for key, places in independent.places.items() for place in places)
    packs = [path.name for path in (independent.folder / "packs").glob("*/*")]
    said = [(pack, *record) for pack in packs for record in independent.directory(pack)]
    assert len(packs) == 2
    assert sorted((name, kind, pack, *rest) for pack, name, kind, *rest in said) == indexed


def test_reader_knows_damage_and_takes_the_healed_copy(places: tuple[Path, Path], tmp_path: Path) -> None:
    tree, store = places
    (tree / "file").write_bytes(Random(2).randbytes(MIB))  # noqa: S311
    repository = repository_create(LocalStorage(store), tenant=TENANT, repository=REPOSITORY, keys=DataKey(DATA_KEY))
    first = snapshot_create(repository, source=LocalTree(tree)).snapshot
    record, _ = next(repository.manifest(first).under(b"file"))
    assert record.content is not None
    chunk = record.content.ids[:32]
    pack = repository.chunks().index.find(chunk).pack
    path = store / repository.objects.path(PACKS, pack)
    edit(path, 1000, b"damage")
    assert not repository_verify(repository, coverage=Coverage.full()).whole
    second = snapshot_create(repository, source=LocalTree(tree), parent=first).snapshot
    independent = reader.Repository(store, TENANT, REPOSITORY, DATA_KEY)
    assert independent.damaged() == {(pack.hex(), chunk)}
    for number, snapshot in enumerate((first, second)):
        independent.restore(snapshot.hex(), tmp_path / str(number))
        assert portrait(tmp_path / str(number)) == portrait(tree)


def test_the_reader_is_an_example_and_shares_no_code_with_the_product() -> None:
    source = Path(reader.__file__).read_text()
    names = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = {
        name for node in names for name in ([node.module] if hasattr(node, "module") else [a.name for a in node.names])
    }
    ours = {path.name for path in Path(__file__).parents[2].iterdir() if (path / "__init__.py").exists()}
    assert "repository" in ours
    assert not {module.partition(".")[0] for module in modules} & ours
    assert len(source.splitlines()) < 210
