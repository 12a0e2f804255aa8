"""A folder, a path and names of a snapshot are found as in the whole manifest, from a few of its chunks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repository.browsing import ItemKind, children, is_folder, item_find, named
from repository.checkpoint import go_on
from repository.chunked.manifest import blocks as manifest_blocks
from repository.chunked.manifest import stream
from repository.chunked.manifest.blocks import ChunksRead, ManifestBlocks
from repository.chunked.manifest.records import Record, array_at, path_at, record_offsets, record_pack
from repository.errors import Damage, ManifestInvalid
from tests.repository.restoring.trees import Kept, write
from trees.paths import walk_order
from trees.source import Kind
from trees.trust import Stat

STAT = Stat(0o644, 1, 1, 1_600_000_000_000_000_007, 1, 1)
NAMES = st.sampled_from([b"a", b"A", b"b", b"a-b", b"a b", b"ab", b"\xff", b"\x01", b"long-name" * 3])


@pytest.fixture(scope="module", autouse=True)
def short_chunks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "CUT_LEAST", 64)
        patch.setattr(stream, "CUT_AVERAGE", 256)
        yield


def blocks_of(records: list[Record]) -> ManifestBlocks:
    kept = Kept()
    snapshot = kept.keep_records(records)
    return ManifestBlocks(kept.opened().manifest(snapshot), ChunksRead())


@st.composite
def trees(draw: st.DrawFn) -> list[Record]:
    """Records of a tree in the order of a walk; every folder of a path has its record."""
    paths = draw(st.lists(st.lists(NAMES, min_size=1, max_size=4), max_size=60))
    folders = {b"/".join(path[:depth]) for path in paths for depth in range(1, len(path))}
    files = {b"/".join(path) for path in paths} - folders
    kinds = {**dict.fromkeys(folders, Kind.FOLDER), **dict.fromkeys(files, Kind.FILE)}
    for path in sorted(files):
        kinds[path] = draw(st.sampled_from([Kind.FILE, Kind.FILE, Kind.SYMLINK, Kind.SKIPPED]))
    records = [Record(Kind.FOLDER, b"", STAT)]
    for path in sorted(kinds, key=walk_order):
        target = {Kind.SYMLINK: b"away", Kind.SKIPPED: b"unreadable", Kind.FILE: path}.get(kinds[path])
        records.append(Record(kinds[path], path, STAT, target=target))
    return records


def shown(records: list[Record]) -> list[bytes]:
    return [record.path for record in records if record.path and record.kind is not Kind.SKIPPED]


@settings(max_examples=60)
@given(records=trees(), data=st.data())
def test_a_folder_has_its_direct_entries_in_both_directions(records: list[Record], data: st.DataObject) -> None:
    blocks, paths = blocks_of(records), shown(records)
    folder = data.draw(st.sampled_from([record.path for record in records if record.kind is Kind.FOLDER]))
    below = folder + b"/" if folder else b""
    direct = [path for path in paths if path.startswith(below) and b"/" not in path[len(below) :]]

    assert [item.path for item in children(blocks, folder)] == direct
    assert [item.path for item in children(blocks, folder, backwards=True)] == direct[::-1]
    name = data.draw(st.one_of(NAMES, st.sampled_from([path[len(below) :] for path in direct] or [b"x"])))
    after = [path for path in direct if path[len(below) :] > name]
    assert [item.path for item in children(blocks, folder, beyond=name)] == after
    before = [path for path in direct if path[len(below) :] < name]
    assert [item.path for item in children(blocks, folder, beyond=name, backwards=True)] == before[::-1]


@settings(max_examples=60)
@given(records=trees(), data=st.data())
def test_paths_and_names_are_found(records: list[Record], data: st.DataObject) -> None:
    blocks, paths = blocks_of(records), shown(records)
    for path in paths:
        found = item_find(blocks, path)
        assert found is not None
        assert found.path == path
    assert item_find(blocks, b"nowhere") is None
    needle = data.draw(NAMES)
    wanted = [path for path in paths if needle.lower() in path.rpartition(b"/")[2].lower()]
    assert [item.path for item in named(blocks, needle, checkpoint=go_on)] == wanted
    folder = data.draw(st.sampled_from([record.path for record in records if record.kind is Kind.FOLDER]))
    inside = [path for path in wanted if not folder or path.startswith(folder + b"/")]
    assert [item.path for item in named(blocks, needle, folder=folder, checkpoint=go_on)] == inside
    if inside:
        beyond = data.draw(st.sampled_from(inside))
        rest = inside[inside.index(beyond) + 1 :]
        assert [item.path for item in named(blocks, needle, folder=folder, beyond=beyond, checkpoint=go_on)] == rest


def test_a_real_tree_is_shown_with_sizes_kinds_and_links(tmp_path) -> None:
    kept = Kept()
    write(tmp_path / "world" / "level.dat", b"level")
    (tmp_path / "world" / "name.dat").hardlink_to(tmp_path / "world" / "level.dat")
    (tmp_path / "world" / "way").symlink_to("level.dat")
    write(tmp_path / "world" / "same.dat", b"level")
    blocks = ManifestBlocks(kept.opened().manifest(kept.keep(tmp_path)), ChunksRead())

    level, name, same, way = children(blocks, b"world")
    assert [item.path for item in (level, name, same, way)] == [
        b"world/level.dat", b"world/name.dat", b"world/same.dat", b"world/way",
    ]  # fmt: skip
    assert (name.kind, name.size, name.content) == (ItemKind.FILE, 5, level.content)
    assert name._replace(path=level.path, name_of=None) == level
    assert name.name_of == level.path
    assert same.content == level.content != b""
    assert (way.kind, way.target) == (ItemKind.SYMLINK, b"level.dat")
    assert [is_folder(blocks, path) for path in (b"", b"world", b"world/level.dat", b"none")] == [
        True, True, False, False,
    ]  # fmt: skip


def test_a_folder_reads_what_it_shows_and_one_chunk_of_each_subfolder(monkeypatch) -> None:
    records = [Record(Kind.FOLDER, b"", STAT)]
    for folder in range(20):
        records.append(Record(Kind.FOLDER, b"%03d" % folder, STAT))
        records += [Record(Kind.FILE, b"%03d/%03d" % (folder, n), STAT, target=b"") for n in range(100)]
    blocks = blocks_of(records)
    read: list[int] = []
    real = ManifestBlocks.read
    monkeypatch.setattr(ManifestBlocks, "read", lambda self, numbers: read.extend(numbers) or real(self, numbers))

    assert len(blocks.firsts) > 300
    assert len(list(children(blocks, b""))) == 20
    assert len(read) <= 41
    read.clear()
    assert next(children(blocks, b"010", beyond=b"050")).path == b"010/051"
    assert len(read) <= 4


def test_chunks_that_were_read_are_read_once_and_their_memory_is_bounded(monkeypatch) -> None:
    records = [Record(Kind.FOLDER, b"", STAT)]
    records += [Record(Kind.FILE, b"%05d" % number, STAT, target=b"") for number in range(2000)]
    kept = Kept()
    manifest = kept.opened().manifest(kept.keep_records(records))
    monkeypatch.setattr(manifest_blocks, "HELD_MAX", 20_000)
    read = ChunksRead()
    fetched: list[bytes] = []
    real = stream.Manifest.chunks_read
    monkeypatch.setattr(stream.Manifest, "chunks_read", lambda self, ids: fetched.extend(ids) or real(self, ids))

    for _ in range(2):
        assert item_find(ManifestBlocks(manifest, read), b"01000") is not None
    assert len(fetched) == 1
    assert len(list(children(ManifestBlocks(manifest, read), b""))) == 2000
    assert 0 < read._bytes <= 20_000
    assert read._bytes == sum(map(len, read._held.values()))


@pytest.mark.parametrize("target", [b"b", b"none/of/it"])
def test_names_that_lead_nowhere_or_in_a_circle_end(target: bytes) -> None:
    records = [
        Record(Kind.FOLDER, b"", STAT),
        Record(Kind.HARDLINK, b"a", target=target),
        Record(Kind.HARDLINK, b"b", target=b"a"),
    ]
    blocks = blocks_of(records)
    if target == b"b":
        with pytest.raises(ManifestInvalid):
            item_find(blocks, b"a")
    else:
        assert item_find(blocks, b"a") is None


def test_entries_out_of_order_are_damage() -> None:
    order = sorted(range(400), key=lambda number: number * 7 % 401)
    records = [Record(Kind.FOLDER, b"", STAT), *(Record(Kind.FILE, b"%03d" % n, STAT, target=b"") for n in order)]
    with pytest.raises(ManifestInvalid):
        list(children(blocks_of(records), b""))


def test_a_damaged_chunk_is_damage() -> None:
    kept = Kept()
    records = [Record(Kind.FOLDER, b"", STAT), *(Record(Kind.FILE, b"%03d" % n, STAT, target=b"") for n in range(99))]
    snapshot = kept.keep_records(records)
    blocks = ManifestBlocks(kept.opened().manifest(snapshot), ChunksRead())
    for key in [key for key in kept.storage.objects if "/packs/" in key]:
        kept.storage.objects[key] = bytes(len(kept.storage.objects[key]))
    with pytest.raises(Damage):
        list(children(blocks, b""))


def test_a_page_unpacks_its_own_records_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [b"f%03d" % number for number in range(100)]
    files = [b"%b/%03d" % (folder, number) for folder in folders for number in range(50)]
    paths = sorted([*folders, *files], key=walk_order)
    kinds = dict.fromkeys(folders, Kind.FOLDER)
    blocks = blocks_of([Record(kinds.get(path, Kind.FILE), path, STAT, target=b"x") for path in paths])
    unpacked = []

    def counted(plain: bytes, begin: int, end: int) -> tuple:
        unpacked.append(begin)
        return array_at(plain, begin, end)

    monkeypatch.setattr(manifest_blocks, "array_at", counted)
    assert [item.path for item in children(blocks, b"")] == folders
    assert len(unpacked) == len(folders)


def paths_in(plain: bytes) -> list[bytes]:
    return [path_at(plain, begin, end) for begin, end in pairwise(record_offsets(plain))]


@pytest.mark.parametrize("size", [1, 31, 32, 255, 256, 4000])
def test_a_path_of_any_length_is_read_out_of_its_record(size: int) -> None:
    path = b"x" * size
    records = [record_pack(Record(kind, path, STAT, target=b"t")) for kind in (Kind.FOLDER, Kind.SYMLINK)]
    plain = b"".join(records)
    assert record_offsets(plain) == [0, len(records[0]), len(plain)]
    assert paths_in(plain) == [path, path]


@pytest.mark.parametrize(
    "plain", [b"\x93\0\xc4", b"\xc1", b"\x93\0\xc4\x05ab", b"\x01", b"\x92\0\xc4\1a", b"\x93\0\xa1a\xc0"]
)
def test_what_is_no_record_is_refused(plain: bytes) -> None:
    with pytest.raises(ManifestInvalid):
        paths_in(plain)


def test_a_record_in_another_writing_has_its_path() -> None:
    """MessagePack allows longer forms of an array and of its bytes."""
    plain = b"\xdc\0\3\0\xc5\0\2ab\xc0"
    assert record_offsets(plain) == [0, len(plain)]
    assert path_at(plain, 0, len(plain)) == b"ab"
