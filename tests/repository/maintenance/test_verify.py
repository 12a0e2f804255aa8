"""Verify names each damaged object and the files that it costs, and reports everything else as whole (R13-R15)."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest

from repository.chunked.chunks.repository_keys import DataKey
from repository.chunked.contents.blocks import BlockCheck
from repository.chunked.maintenance import contents
from repository.chunked.maintenance.coverage import Coverage
from repository.chunked.maintenance.forget import snapshot_forget
from repository.chunked.maintenance.rebuild import index_rebuild
from repository.chunked.maintenance.verify import repository_verify
from repository.chunked.maintenance.verify_report import SnapshotReport, VerifyProgress, VerifyReport
from repository.chunked.manifest.records import Content
from repository.chunked.objects import INDEX, PACKS, SNAPSHOTS, id_new
from repository.chunked.repository import repository_create, repository_open
from repository.chunked.snapshots.create import snapshot_create
from repository.errors import RepositoryError, RepositoryKeyWrong
from repository.storage import StorageUnavailable
from tests.repository.maintenance.storages import ScheduledStorage
from tests.repository.maintenance.world import REPOSITORY, TENANT, World, files, stored
from tests.storage.memory import FaultyStorage, MemoryStorage
from trees.local.tree import LocalTree

FULL, STRUCTURE = Coverage.full(), Coverage.structure()


def verified(world: World, coverage: Coverage = FULL) -> VerifyReport:
    return repository_verify(world.open(), coverage=coverage)


def of(report: VerifyReport, snapshot: bytes) -> SnapshotReport:
    return next(found for found in report.snapshots if found.snapshot == snapshot)


def lost(report: VerifyReport, snapshot: bytes) -> list[bytes]:
    return sorted(found.path for found in of(report, snapshot).lost)


@pytest.fixture
def three(world: World) -> tuple[World, bytes, bytes, bytes]:
    """Three snapshots: the second adds a file `d`, with a pack to itself, and the third removes it."""
    first = world.snapshot()
    world.write(d=300_000)
    second = world.snapshot(parent=first)
    world.remove("d")
    world.write(e=20_000)
    return world, first, second, world.snapshot(parent=second)


def truncated(data: bytes, other: bytes) -> bytes:
    return data[: len(data) // 2]


def flipped(data: bytes, other: bytes) -> bytes:
    return data[:1000] + bytes([data[1000] ^ 1]) + data[1001:]


def swapped(data: bytes, other: bytes) -> bytes:
    return other


def emptied(data: bytes, other: bytes) -> bytes:
    return b""


@pytest.mark.parametrize("how", [truncated, flipped, swapped, emptied])
def test_a_damaged_pack_is_named_with_the_files_it_costs(
    three: tuple[World, bytes, bytes, bytes], how: Callable[[bytes, bytes], bytes]
) -> None:
    world, first, second, third = three
    pack = world.pack_of(second, b"d")
    key = world.key(PACKS, pack)
    other = world.storage.objects[world.key(PACKS, world.pack_of(first, b"a"))]
    world.storage.objects[key] = how(world.storage.objects[key], other)
    before = stored(world)
    report = verified(world)
    assert list(report.damaged) == [PACKS.key(pack)]
    assert lost(report, second) == [b"d"]
    assert of(report, first).whole
    assert of(report, third).whole
    assert not report.whole
    assert stored(world) == before
    # The report is exact: files reported as lost cannot be read, all others can.
    repository = world.open()
    assert dict(files(repository, first)) == world.content[first]
    assert dict(files(repository, third)) == world.content[third]
    with pytest.raises(RepositoryError):
        dict(files(repository, second))


@pytest.mark.parametrize("how", [truncated, swapped, emptied])
def test_doubtful_packs_are_read_for_an_exact_report(
    three: tuple[World, bytes, bytes, bytes], how: Callable[[bytes, bytes], bytes]
) -> None:
    world, first, second, _ = three
    key = world.key(PACKS, world.pack_of(second, b"d"))
    other = world.storage.objects[world.key(PACKS, world.pack_of(first, b"a"))]
    world.storage.objects[key] = how(world.storage.objects[key], other)
    report = verified(world, STRUCTURE)
    assert lost(report, second) == [b"d"]
    assert of(report, first).whole
    assert report.packs_read == 1


def test_truncated_pack_loses_only_its_missing_chunks(world: World) -> None:
    world.write(a=1 << 20, b=1 << 20, c=1 << 20)
    snapshot = world.snapshot()
    repository = world.open()
    index = repository.chunks().index
    places = {
        record.path: [index.find(chunk) for chunk in record.content.chunk_ids()]
        for record, _ in repository.manifest(snapshot).files()
        if record.content
    }
    ends = {path: max(at.offset + at.stored_size for at in found) for path, found in places.items()}
    cut = max(min(at.offset for at in found) for found in places.values()) + 100
    key = world.key(PACKS, world.pack_of(snapshot, b"a"))
    world.storage.objects[key] = world.storage.objects[key][:cut]
    expected = sorted(path for path, end in ends.items() if end > cut)
    assert len(expected) == 1
    assert lost(verified(world), snapshot) == expected


def test_a_missing_pack_costs_its_files(three: tuple[World, bytes, bytes, bytes]) -> None:
    world, first, second, _ = three
    pack = world.pack_of(second, b"d")
    del world.storage.objects[world.key(PACKS, pack)]
    report = verified(world, STRUCTURE)
    assert report.damaged == {PACKS.key(pack): ["is not there"]}
    assert lost(report, second) == [b"d"]
    assert of(report, first).whole


def test_a_damaged_copy_costs_nothing_while_there_is_another(three: tuple[World, bytes, bytes, bytes]) -> None:
    world, _, second, _ = three
    pack = world.pack_of(second, b"d")
    content = world.storage.objects[world.key(PACKS, pack)]
    world.storage.objects[world.key(PACKS, pack)] = b""
    world.write(d=world.content[second][b"d"])
    again = world.snapshot()
    chunk = next(world.open().manifest(again).under(b"d"))[0].content.ids[:32]
    assert len(list(world.open().chunks().index.places(chunk))) == 2
    world.storage.objects[world.key(PACKS, pack)] = flipped(content, b"")
    report = verified(world)
    assert list(report.damaged) == [PACKS.key(pack)]
    assert all(found.whole for found in report.snapshots)


def manifest_place(world: World, snapshot: bytes, number: int) -> tuple[str, int]:
    repository = world.open()
    root = repository.manifest(snapshot).root
    at = repository.chunks().index.find(root.chunks[32 * number : 32 * number + 32])
    return world.key(PACKS, at.pack), at.offset


def test_damaged_manifest_is_reported_with_its_unreadable_range(world: World) -> None:
    for number in range(3000):
        (world.folder / f"f{number:04}").write_bytes(b"%d" % number)
    (world.folder / "linked").hardlink_to(world.folder / "f1500")
    snapshot = world.snapshot()
    root = world.open().manifest(snapshot).root
    number = next(n for n, first in enumerate(root.firsts) if first > b"f1500") - 1
    assert 0 < number < len(root.firsts) - 1
    key, offset = manifest_place(world, snapshot, number)
    broken = bytearray(world.storage.objects[key])
    broken[offset + 50] ^= 1
    world.storage.objects[key] = bytes(broken)
    found = of(verified(world), snapshot)
    assert [(gap.first, gap.until) for gap in found.ranges] == [(root.firsts[number], root.firsts[number + 1])]
    # A hard link to a file in that range is lost too.
    inside = [path for path in world.content[snapshot] if root.firsts[number] <= path < root.firsts[number + 1]]
    linked = [lost.path for lost in found.lost]
    assert linked == ([b"linked"] if b"f1500" in inside else [])
    assert found.files == len([p for p in world.content[snapshot] if p != b"linked"]) - len(inside)


@pytest.mark.parametrize("how", [truncated, emptied, swapped])
def test_a_damaged_root_costs_its_snapshot_and_no_other(
    three: tuple[World, bytes, bytes, bytes], how: Callable[[bytes, bytes], bytes]
) -> None:
    world, first, second, third = three
    key = world.key(SNAPSHOTS, second)
    world.storage.objects[key] = how(world.storage.objects[key], world.storage.objects[world.key(SNAPSHOTS, first)])
    report = verified(world)
    assert of(report, second).reason
    assert list(report.damaged) == [SNAPSHOTS.key(second)]
    assert of(report, first).whole
    assert of(report, third).whole


def test_a_root_of_another_tenant_is_damage_of_that_snapshot_only(three: tuple[World, bytes, bytes, bytes]) -> None:
    world, first, _, _ = three
    elsewhere = MemoryStorage()
    foreign = repository_create(elsewhere, tenant=UUID(int=9), repository=REPOSITORY, keys=DataKey(bytes(32)))
    made = snapshot_create(foreign, source=LocalTree(world.folder)).snapshot
    name = id_new()
    world.storage.objects[world.key(SNAPSHOTS, name)] = elsewhere.objects[foreign.objects.path(SNAPSHOTS, made)]
    report = verified(world)
    assert of(report, name).reason
    assert of(report, first).whole


def test_a_damaged_index_is_named_and_a_rebuild_mends_it(three: tuple[World, bytes, bytes, bytes]) -> None:
    world, *_ = three
    name = min(world.names(INDEX))
    world.storage.objects[world.key(INDEX, name)] = b"\0" * 100
    report = verified(world)
    assert INDEX.key(name) in report.damaged
    assert "rebuild" in report.damaged[INDEX.key(name)][0]
    index_rebuild(world.open())
    world.assert_sound()


def test_a_wrong_key_is_no_damage(world: World) -> None:
    world.snapshot()
    with pytest.raises(RepositoryKeyWrong):
        repository_open(world.storage, tenant=TENANT, repository=REPOSITORY, keys=DataKey(bytes(32)))


def test_storage_that_does_not_answer_is_no_damage(three: tuple[World, bytes, bytes, bytes]) -> None:
    world, *_ = three
    repository_verify(world.open(counted := FaultyStorage(world.storage, at=0)), coverage=FULL)
    for at in range(1, len(counted.calls) + 1):
        repository = FaultyStorage(world.storage, at=at, fault="forever")
        with pytest.raises(StorageUnavailable):
            repository_verify(world.open(repository), coverage=FULL)


def test_as_many_days_as_there_are_shares_read_every_pack_once(world: World) -> None:
    parent = None
    for _ in range(12):
        world.write(d=20_000)
        parent = world.snapshot(parent=parent)
    packs = len(world.names(PACKS))
    shares = [verified(world, Coverage.share(day, 5)) for day in range(100, 105)]
    assert sum(report.packs_read for report in shares) == packs
    assert sum(report.packs_read > 0 for report in shares) > 1
    assert all(report.whole and report.packs == packs for report in shares)
    [day] = [day for day in range(5) if Coverage.share(day, 5).reads(world.pack_of(parent or b"", b"d"))]
    key = world.key(PACKS, world.pack_of(parent or b"", b"d"))
    whole = world.storage.objects[key]
    world.storage.objects[key] = flipped(whole, b"")
    assert verified(world, STRUCTURE).whole
    # The share that reads the pack finds the damage. It is recorded, and every later verification looks at it again.
    assert [not verified(world, Coverage.share(number, 5)).whole for number in range(5)] == [
        number >= day for number in range(5)
    ]
    assert not verified(world, STRUCTURE).whole
    world.storage.objects[key] = whole
    assert verified(world, STRUCTURE).whole


def test_one_snapshot_is_verified_by_itself(world: World) -> None:
    """Another snapshot's damage is not reported, its own is; the sample reads files up to its bound."""
    first = world.snapshot()
    world.write(d=250_000)
    second = world.snapshot(parent=first)
    key = world.key(PACKS, world.pack_of(second, b"d"))
    world.storage.objects[key] = flipped(world.storage.objects[key], b"")

    def only(snapshot: bytes, coverage: Coverage) -> VerifyReport:
        return repository_verify(world.open(), coverage=coverage, only=frozenset([snapshot]))

    assert only(second, STRUCTURE).whole
    assert only(second, Coverage.files(1000)).whole  # the damaged file is larger than the sample
    assert only(first, Coverage.files()).whole
    assert lost(only(second, Coverage.files(10_000_000)), second) == [b"d"]
    assert [found.snapshot for found in only(first, STRUCTURE).snapshots] == [first]


def test_a_lost_pack_is_found_for_the_snapshots_that_need_it(world: World) -> None:
    first = world.snapshot()
    world.write(d=250_000)
    second = world.snapshot(parent=first)
    del world.storage.objects[world.key(PACKS, world.pack_of(second, b"d"))]
    assert lost(repository_verify(world.open(), coverage=STRUCTURE, only=frozenset([second])), second) == [b"d"]
    assert repository_verify(world.open(), coverage=STRUCTURE, only=frozenset([first])).snapshots[0].whole


def test_contents_that_do_not_fit_their_hashes_are_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every chunk opens, but the file differs from the source: only reassembly detects that."""
    snapshot = world.snapshot()
    assert verified(world).whole

    def reversed_check(content: Content, **place: int) -> BlockCheck:
        return BlockCheck(content._replace(blocks=content.blocks[::-1]), **place)

    monkeypatch.setattr(contents, "BlockCheck", reversed_check)
    assert lost(verified(world), snapshot) == sorted(world.content[snapshot])
    assert verified(world, Coverage(of_days=1)).whole


def test_orphans_and_leftover_roots_are_counted_but_no_damage(world: World) -> None:
    first = world.snapshot()
    known = set(world.names(INDEX))
    world.write(d=100_000)
    second = world.snapshot(parent=first)
    root = world.storage.objects[world.key(SNAPSHOTS, second)]
    snapshot_forget(world.open(), snapshot=second)
    world.storage.objects[world.key(SNAPSHOTS, second)] = root
    [late] = world.names(INDEX).keys() - known
    del world.storage.objects[world.key(INDEX, late)]
    report = verified(world)
    assert report.whole
    assert (report.deleted_left, report.orphan_packs, report.packs) == (1, 2, 2)
    assert [found.snapshot for found in report.snapshots] == [first]


def test_a_prune_beside_it_is_no_damage(world: World) -> None:
    first = world.snapshot()
    world.remove("a")
    second = world.snapshot(parent=first)
    snapshot_forget(world.open(), snapshot=first)
    world.prune()
    base, began = dict(world.storage.objects), world.clock.now
    repository_verify(world.open(counted := FaultyStorage(world.storage, at=0)), coverage=FULL)
    for at in range(1, len(counted.calls) + 1):
        world.storage.objects, world.clock.now = dict(base), began
        storage = ScheduledStorage(world.storage, {at: world.prune_all})
        report = repository_verify(world.open(storage), coverage=FULL)
        assert report.whole, (at, report.damaged)
        assert of(report, second).whole


def test_a_snapshot_deleted_meanwhile_is_not_reported(world: World) -> None:
    first = world.snapshot()
    world.write(d=1000)
    second = world.snapshot(parent=first)
    base, began = dict(world.storage.objects), world.clock.now

    def gone() -> None:
        snapshot_forget(world.open(), snapshot=second)
        world.prune_all()

    repository_verify(world.open(counted := FaultyStorage(world.storage, at=0)), coverage=FULL)
    for at in range(1, len(counted.calls) + 1):
        world.storage.objects, world.clock.now = dict(base), began
        report = repository_verify(world.open(ScheduledStorage(world.storage, {at: gone})), coverage=FULL)
        assert of(report, first).whole
        assert report.whole, (at, report.damaged)


def test_progress_ends_at_all_and_a_checkpoint_calls_it_off(three: tuple[World, bytes, bytes, bytes]) -> None:
    world, *_ = three
    told: list[VerifyProgress] = []
    repository_verify(world.open(), coverage=FULL, progress=told.append)
    assert told[-1] == VerifyProgress(6, 6, 3, 3)

    class Cancelled(Exception):
        pass

    def cancel() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        repository_verify(world.open(), coverage=FULL, checkpoint=cancel)
