"""Index objects that are damaged, missing, swapped or brought back cost no file, and a rebuild repairs them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from repository.chunked.chunks.repository_keys import DataKey
from repository.chunked.index.index import Index
from repository.chunked.maintenance.coverage import Coverage
from repository.chunked.maintenance.prune import prune_execute, prune_plan
from repository.chunked.maintenance.rebuild import index_rebuild
from repository.chunked.maintenance.verify import repository_verify
from repository.chunked.objects import INDEX, PACKS, id_new, prefix_of
from repository.chunked.pack_layout import HEADER_SIZE, header, tail
from repository.chunked.repository import Repository
from repository.chunked.restoring.restore import snapshot_restore
from repository.chunked.snapshots.create import snapshot_create
from repository.errors import Damage, PruneRefused
from tests.repository.damaged import HARM, Made, content, flipped, repository_made
from trees.local.tree import LocalTree

KEY, OTHER_KEY = DataKey(bytes(range(32))), DataKey(bytes(range(1, 33)))
OTHERS = {"same tenant": (UUID(int=1), UUID(int=3), KEY), "other tenant": (UUID(int=9), UUID(int=2), OTHER_KEY)}
DAMAGE = [*HARM, *OTHERS, "exchanged"]
ALL = [*DAMAGE, "brought back", "deleted"]
Files = dict[bytes, dict[bytes, bytes]]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    where = {"ours": (UUID(int=1), UUID(int=2), KEY), **OTHERS}
    return {name: repository_made(found, tmp_path_factory.mktemp("tree")) for name, found in where.items()}


@pytest.fixture(scope="module")
def files(sound: dict[str, Made]) -> Files:
    """The expected files of each live snapshot."""
    repository = sound["ours"].opened()
    return {snapshot: content(repository, snapshot) for snapshot in sound["ours"].snapshots[:2]}


def later(made: Made, days: int) -> Repository:
    return replace(made.opened(), clock=lambda: datetime.now(UTC) + timedelta(days=days))


def harmed(sound: dict[str, Made], harm: str) -> tuple[Made, set[str]]:
    """A repository with a damaged index, and the keys of the index objects at fault."""
    made = sound["ours"].copied()
    objects, first, second = made.storage.objects, made.key("index"), made.key("index", 1)
    if harm in HARM:
        objects[first] = HARM[harm](objects[first])
    elif harm in OTHERS:
        objects[first] = sound[harm].stored("index")
    elif harm == "exchanged":
        objects[first], objects[second] = objects[second], objects[first]
        return made, {first, second}
    elif harm == "deleted":
        del objects[first]
    else:
        old = {made.key("index", number): made.stored("index", number) for number in range(3)}
        for days in (31, 33, 35):
            prune_execute(later(made, days), prune_plan(later(made, days)))
        assert not old.keys() & objects.keys()
        objects |= old
        return made, set(old)
    return made, {first}


@contextmanager
def unchanged(made: Made) -> Iterator[None]:
    before = dict(made.storage.objects)
    yield
    assert made.storage.objects == before


def made_before(sound: dict[str, Made]) -> dict[bytes, bytes]:
    """The files of the deleted snapshot."""
    made = sound["ours"].copied()
    del made.storage.objects[made.key("tombstones")]
    return content(made.opened(), made.snapshots[2])


def written(root: Path) -> dict[bytes, bytes]:
    return {bytes(path.name, "utf-8"): path.read_bytes() for path in root.iterdir()}


def by_the_index_alone(repository: Repository, snapshot: bytes) -> int:
    """The number of chunks that a snapshot names; asserts that the index has them all without reading packs."""
    index = Index.load(repository.objects)
    chunks = repository.chunks_in(index)
    manifest = repository.manifest(snapshot, chunks)
    named = [*manifest.chunk_ids()]
    for record, _ in manifest.files():
        named += record.content.chunk_ids() if record.content is not None else ()
    return len(chunks.located(named))


@pytest.mark.parametrize("harm", ALL)
def test_everything_is_restored_byte_for_byte(sound: dict[str, Made], files: Files, harm: str, tmp_path: Path) -> None:
    made, _ = harmed(sound, harm)
    with unchanged(made):
        for snapshot, expected in files.items():
            assert content(made.opened(), snapshot) == expected
            report = snapshot_restore(made.opened(), snapshot=snapshot, target=tmp_path / snapshot.hex())
            assert (list(report.failed), written(tmp_path / snapshot.hex())) == ([], expected)


@pytest.mark.parametrize("harm", ALL)
def test_new_snapshot_indexes_chunks_of_the_old_ones(
    sound: dict[str, Made], files: Files, harm: str, tmp_path: Path
) -> None:
    made, guilty = harmed(sound, harm)
    for name, plain in files[made.snapshots[1]].items():
        (tmp_path / name.decode()).write_bytes(plain)
    root = snapshot_create(made.opened(), source=LocalTree(tmp_path), parent=made.snapshots[1])
    assert root.stored_bytes < 10_000, "what is there was stored again"
    for key in guilty:
        made.storage.objects.pop(key, None)
    opened = made.opened()
    for snapshot, expected in {**files, root.snapshot: files[made.snapshots[1]]}.items():
        assert by_the_index_alone(opened, snapshot) > 1
        assert content(opened, snapshot) == expected
    assert repository_verify(opened, coverage=Coverage.full()).whole


def test_chunk_named_only_by_a_stale_index_is_stored_again(sound: dict[str, Made], tmp_path: Path) -> None:
    (made, _), pruned = harmed(sound, "brought back"), made_before(sound)
    for name, plain in pruned.items():
        (tmp_path / name.decode()).write_bytes(plain)
    root = snapshot_create(made.opened(), source=LocalTree(tmp_path))
    assert root.stored_bytes > 700_000
    assert content(made.opened(), root.snapshot) == pruned


def test_another_copy_is_found_though_its_index_object_is_damaged(sound: dict[str, Made], files: Files) -> None:
    made = sound["ours"].copied()
    opened, snapshot, pack = made.opened(), made.snapshots[0], id_new()
    chunks = opened.chunks()
    record, _ = next(found for found in opened.manifest(snapshot, chunks).files() if found[0].path == b"big")
    chunk = next(iter(record.content.chunk_ids())) if record.content else b""
    at = chunks.index.find(chunk)
    stored = opened.objects.get_raw(PACKS, at.pack, at.offset, at.offset + at.stored_size)
    copy = replace(at, pack=pack, offset=HEADER_SIZE)
    pieces = [header(opened.cipher.suite), stored, tail(opened.objects, pack, [(chunk, copy)])]
    opened.objects.put_raw(PACKS, pack, pieces)
    key = opened.objects.path(PACKS, at.pack)
    made.storage.objects[key] = flipped(made.storage.objects[key], at.offset + 20)
    with pytest.raises(Damage):
        content(opened, snapshot)
    made.storage.objects[opened.objects.path(INDEX, id_new())] = b"named the copy"
    assert content(opened, snapshot) == files[snapshot]


@pytest.mark.parametrize("harm", [*DAMAGE, "brought back"])
def test_nothing_is_pruned(sound: dict[str, Made], harm: str) -> None:
    """A missing index object goes unnoticed, but its chunks stay in use (see maintenance)."""
    made, _ = harmed(sound, harm)
    planned = prune_plan(later(sound["ours"], 31))
    assert not planned.refusals
    with unchanged(made):
        said = "packs that are not listed" if harm == "brought back" else f"{INDEX.name}/"
        assert said in prune_plan(later(made, 40)).refusals[0]
        for plan in (planned, prune_plan(later(made, 40))):
            with pytest.raises(PruneRefused, match=said):
                prune_execute(later(made, 40), plan)


def test_a_prune_without_an_index_object_deletes_nothing_that_is_used(sound: dict[str, Made], files: Files) -> None:
    made, _ = harmed(sound, "deleted")
    for days in (31, 33, 35):
        prune_execute(later(made, days), prune_plan(later(made, days)))
    for snapshot, expected in files.items():
        assert by_the_index_alone(made.opened(), snapshot) > 1
        assert content(made.opened(), snapshot) == expected


@pytest.mark.parametrize("harm", ALL)
def test_verify_says_so(sound: dict[str, Made], harm: str) -> None:
    made, guilty = harmed(sound, harm)
    with unchanged(made):
        report = repository_verify(made.opened(), coverage=Coverage.structure())
    assert not report.whole
    prefix = prefix_of(*made.where[:2])
    if harm == "deleted":
        assert report.damaged == {}
        assert report.orphan_packs == 2
        assert {found.snapshot for found in report.snapshots if not found.whole} == {made.snapshots[0]}
    elif harm == "brought back":
        gone = {
            pack for pack in made.names["packs"] if made.opened().objects.path(PACKS, pack) not in made.storage.objects
        }
        assert gone
        assert {PACKS.key(pack) for pack in gone} <= report.damaged.keys()
        assert all(reasons == ["is not there"] for reasons in report.damaged.values())
    else:
        assert {prefix + key for key in report.damaged} == guilty
        assert all(
            reason.startswith("cannot be read; rebuild") for found in report.damaged.values() for reason in found
        )


@pytest.mark.parametrize("harm", ALL)
def test_a_rebuild_mends_it(sound: dict[str, Made], files: Files, harm: str) -> None:
    made, guilty = harmed(sound, harm)
    report = index_rebuild(made.opened())
    assert report.damaged == {}
    assert len(report.unreadable) == (len(guilty) if harm in DAMAGE else 0)
    assert bool(report.lost) == (harm == "brought back")
    assert not guilty & made.storage.objects.keys()
    assert repository_verify(made.opened(), coverage=Coverage.full()).whole
    assert not prune_plan(later(made, 31)).refusals
    for snapshot, expected in files.items():
        assert by_the_index_alone(made.opened(), snapshot) > 1
        assert content(made.opened(), snapshot) == expected
