"""A sidecar that lies about the tree, or about what it reads of it, fails the snapshot, and nothing is listed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.comparison import Tree, differences, tree_read
from repository.chunked.manifest.root import SnapshotRoot
from repository.chunked.snapshots.listing import snapshots_list
from sidecar_client.errors import SidecarUnavailable, SourceFailed
from tests.sidecar_daemon.lying_tree import LyingTree
from tests.sidecar_daemon.remote_snapshots import Snapshots
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire

BLOCK, SECTOR = 65536, 4096
SMALL, DATABASE, OTHER = "a.txt", "b.db", "c.bin"

Reply = wire.ReadTreeReply
Step = Reply.Step


@pytest.fixture
def lying(tmp_path: Path) -> Iterator[LyingTree]:
    (tmp_path / "world").mkdir()
    tree = LyingTree(tmp_path / "world", tmp_path / "scratch")
    with tree.serving():
        yield tree


@pytest.fixture
def snapshots(lying: LyingTree, tmp_path: Path) -> Snapshots:
    return Snapshots(lying, tmp_path)


@pytest.fixture
def first(lying: LyingTree, snapshots: Snapshots) -> SnapshotRoot:
    """An honest snapshot; after it a sector and a whole block of the database changed, and all of the other file."""
    noise = random.Random(5)  # noqa: S311 - the same in every run
    (lying.root / SMALL).write_bytes(b"small" * 20)
    (lying.root / DATABASE).write_bytes(noise.randbytes(6 * BLOCK))
    (lying.root / OTHER).write_bytes(noise.randbytes(5 * BLOCK))
    root = snapshots.create()
    with (lying.root / DATABASE).open("r+b") as file:
        file.seek(BLOCK + SECTOR)
        file.write(noise.randbytes(SECTOR))
        file.seek(3 * BLOCK)
        file.write(noise.randbytes(BLOCK))
    (lying.root / OTHER).write_bytes(noise.randbytes(5 * BLOCK))
    return root


def but_for_root(tree: Tree) -> Tree:
    return {path: entry for path, entry in tree.items() if path}


def failed(snapshots: Snapshots, parent: SnapshotRoot, error: type[Exception] = SourceFailed) -> None:
    with pytest.raises(error):
        snapshots.create(parent=parent)
    assert [root.snapshot for root in snapshots_list(snapshots.repository).roots] == [parent.snapshot]


def test_an_honest_one_sends_only_what_changed(snapshots: Snapshots, first: SnapshotRoot, lying: LyingTree) -> None:
    runs: list[tuple[int, int]] = []

    def read(reply: Reply) -> Iterator[Reply]:
        runs.extend(pair for step in reply.steps for pair in zip(step.runs.offsets, step.runs.sizes, strict=True))
        yield reply

    lying.read = read
    second = snapshots.create(parent=first)
    assert runs == [(BLOCK + SECTOR, SECTOR), (3 * BLOCK, BLOCK)]
    assert second.added_bytes < 8 * BLOCK


@pytest.mark.parametrize(
    ("edit", "most"),
    [
        (lambda old: old, 0),
        (lambda old: old + b"one line more", BLOCK + 13),
        (lambda old: old[:-1], BLOCK),
        (lambda old: old[: 2 * BLOCK] + bytes(BLOCK) + old[3 * BLOCK :], BLOCK),
        (lambda old: b"inserted" + old, None),
    ],
    ids=["touched", "grown", "shorter", "changed", "inserted"],
)
def test_a_file_like_its_parent_crosses_as_its_changes(
    lying: LyingTree, snapshots: Snapshots, edit: Any, most: int | None
) -> None:
    path, crossed = lying.root / OTHER, []
    path.write_bytes(random.Random(6).randbytes(20 * BLOCK + 7))  # noqa: S311 - the same in every run
    first = snapshots.create()
    path.write_bytes(edit(path.read_bytes()))

    def read(reply: Reply) -> Iterator[Reply]:
        crossed.append(len(reply.data))
        yield reply

    lying.read = read
    second = snapshots.create(parent=first)
    assert sum(crossed) == (path.stat().st_size if most is None else min(most, sum(crossed)))
    assert differences(tree_read(lying.root), but_for_root(snapshots.restored(second))) == []
    assert most is None or second.added_bytes < 3 * BLOCK


def test_many_changes_of_a_file_like_its_parent_are_read_once_more(lying: LyingTree, snapshots: Snapshots) -> None:
    path, kinds = lying.root / OTHER, set()
    content = bytearray(random.Random(8).randbytes(11 << 20))  # noqa: S311 - the same in every run
    path.write_bytes(content)
    first = snapshots.create()
    content[1 << 20 : 6 << 20] = random.Random(9).randbytes(5 << 20)  # noqa: S311 - the same in every run
    path.write_bytes(content)

    def read(reply: Reply) -> Iterator[Reply]:
        kinds.update(step.WhichOneof("step") for step in reply.steps)
        yield reply

    lying.read = read
    second = snapshots.create(parent=first)
    assert "runs" in kinds
    assert "content" not in kinds
    assert differences(tree_read(lying.root), but_for_root(snapshots.restored(second))) == []


def swapped(reply: Any) -> None:
    paths = reply.entries.paths
    paths[1], paths[2] = paths[2], paths[1]


def twice(reply: Any) -> None:
    reply.entries.paths[2] = reply.entries.paths[1]


def rootless(reply: Any) -> None:
    reply.entries.paths[0] = b"0"


def cut(reply: Any) -> None:
    del reply.entries.sizes[-1]


def kinds(kind: int) -> Any:
    def change(reply: Any) -> None:
        reply.entries.kinds = reply.entries.kinds[:-1] + bytes([kind])

    return change


def path(text: bytes) -> Any:
    def change(reply: Any) -> None:
        reply.entries.paths[-1] = text

    return change


def reason(reply: Any) -> None:
    reply.entries.kinds = reply.entries.kinds[:-1] + bytes([5])
    reply.entries.targets.append(b"no such word")


def mode(reply: Any) -> None:
    reply.entries.modes[1] = 1 << 20


SCANS = {
    "swapped": swapped,
    "twice": twice,
    "without a root": rootless,
    "a column cut": cut,
    "a part": kinds(4),
    "an unknown kind": kinds(77),
    "a link without a target": kinds(2),
    "up": path(b"z/../../y"),
    "absolute": path(b"/z"),
    "an empty name": path(b"z//z"),
    "a NUL": path(b"z\0"),
    "reserved": path(b".savepoint/x"),
    "an unknown reason": reason,
    "an impossible mode": mode,
}


@pytest.mark.parametrize("lie", SCANS.values(), ids=SCANS.keys())
def test_entries_that_cannot_be(lying: LyingTree, snapshots: Snapshots, first: SnapshotRoot, lie: Any) -> None:
    def scan(reply: wire.ScanTreeReply) -> Iterator[wire.ScanTreeReply]:
        if reply.HasField("entries"):
            lie(reply)
        yield reply

    lying.scan = scan
    failed(snapshots, first)


@pytest.mark.parametrize("missing", ["began", "entries", "ended"])
def test_a_scan_with_a_part_missing(lying: LyingTree, snapshots: Snapshots, first: SnapshotRoot, missing: str) -> None:
    lying.scan = lambda reply: iter([] if reply.HasField(missing) else [reply])  # type: ignore[arg-type]  # less than a reply
    failed(snapshots, first, SidecarUnavailable if missing == "ended" else SourceFailed)


def test_a_warning_of_an_unknown_kind(lying: LyingTree, snapshots: Snapshots, first: SnapshotRoot) -> None:
    def scan(reply: wire.ScanTreeReply) -> Iterator[wire.ScanTreeReply]:
        if reply.HasField("ended"):
            reply.ended.warnings.add(kind=99, path=b"x")
        yield reply

    lying.scan = scan
    failed(snapshots, first)


def each(kind: str, change: Any) -> Any:
    """Change the first step of a kind."""
    done = False

    def read(reply: Reply) -> Iterator[Reply]:
        nonlocal done
        for number, step in enumerate(reply.steps):
            if not done and step.WhichOneof("step") == kind:
                change(reply, number, step)
                done = True
                break
        yield reply

    return read


def longer(reply: Reply, number: int, step: Step) -> None:
    step.small.sizes[1] += 1
    reply.data = b"+" + reply.data


def missing_data(reply: Reply, number: int, step: Step) -> None:
    reply.data = reply.data[:-1]


def spare_data(reply: Reply, number: int, step: Step) -> None:
    reply.data += b"+"


def one_more(reply: Reply, number: int, step: Step) -> None:
    step.small.sizes.extend([0, 0, 0, 0])


def note_of_nothing(reply: Reply, number: int, step: Step) -> None:
    step.small.notes.add(index=77, changed=True)


def odd_reason(reply: Reply, number: int, step: Step) -> None:
    step.small.notes.add(index=0, gone="no such word")


def odd_attribute(reply: Reply, number: int, step: Step) -> None:
    step.small.notes.add(index=0).xattrs.add(name=b"security.capability", content=b"root")


def opened_small(reply: Reply, number: int, step: Step) -> None:
    step.opened.delta = False


def flipped(reply: Reply, number: int, step: Step) -> None:
    step.opened.delta = not step.opened.delta


def ranges(*flat: int) -> Any:
    def change(reply: Reply, number: int, step: Step) -> None:
        step.opened.ranges[:] = flat

    return change


def long_head(reply: Reply, number: int, step: Step) -> None:
    step.opened.head = bytes(SECTOR + 1)


def reopened(reply: Reply, number: int, step: Step) -> None:
    reply.steps.insert(number, Step(opened=step.opened))


def content_again(reply: Reply, number: int, step: Step) -> None:
    reply.steps.insert(number + 1, Step(content=step.content))
    reply.data *= 2


def closed_twice(reply: Reply, number: int, step: Step) -> None:
    reply.steps.insert(number, Step(closed=step.closed))


def run(offset: int, size: int = SECTOR) -> Any:
    def change(reply: Reply, number: int, step: Step) -> None:
        step.runs.offsets[0] = offset

    return change


def backwards(reply: Reply, number: int, step: Step) -> None:
    step.runs.offsets[:] = reversed(step.runs.offsets)


def uneven(reply: Reply, number: int, step: Step) -> None:
    step.runs.offsets.append(5 * BLOCK)


def hashes(block: int) -> Any:
    def change(reply: Reply, number: int, step: Step) -> None:
        wrong = bytearray(step.closed.hashes)
        wrong[32 * block] ^= 1
        step.closed.hashes = bytes(wrong)

    return change


def fewer_hashes(reply: Reply, number: int, step: Step) -> None:
    step.closed.hashes = step.closed.hashes[:-32]


def no_end(reply: Reply, number: int, step: Step) -> None:
    del reply.steps[number]


def end_twice(reply: Reply, number: int, step: Step) -> None:
    reply.steps.insert(number, Step(end=step.end))


def end_first(reply: Reply, number: int, step: Step) -> None:
    reply.steps.insert(0, Step(end=Reply.End()))


def nothing(reply: Reply, number: int, step: Step) -> None:
    reply.steps.insert(0, Step())


# The database comes first of the larger files, as a delta.
READS = {
    "longer than its entry": each("small", longer),
    "data missing": each("small", missing_data),
    "data to spare": each("small", spare_data),
    "more answers than asked for": each("small", one_more),
    "a note of nothing": each("small", note_of_nothing),
    "an unknown reason": each("small", odd_reason),
    "an attribute of another kind": each("small", odd_attribute),
    "a small one opened": each("small", opened_small),
    "data for a delta": each("opened", flipped),
    "ranges beyond the part": each("opened", ranges(0, 7 * BLOCK)),
    "ranges backwards": each("opened", ranges(BLOCK, 2 * BLOCK, 0, BLOCK)),
    "half a range": each("opened", ranges(0)),
    "a long head": each("opened", long_head),
    "opened twice": each("opened", reopened),
    "content twice": each("content", content_again),
    "closed twice": each("closed", closed_twice),
    "a run beyond the part": each("runs", run(6 * BLOCK)),
    "a run in another block": each("runs", run(0)),
    "runs backwards": each("runs", backwards),
    "a run without a size": each("runs", uneven),
    "the hash of an unchanged block": each("closed", hashes(0)),
    "the hash of a block that came whole": each("closed", hashes(3)),
    "too few hashes": each("closed", fewer_hashes),
    "no end": each("end", no_end),
    "two ends": each("end", end_twice),
    "an end before everything": each("small", end_first),
    "an empty step": each("small", nothing),
}


@pytest.mark.parametrize("lie", READS.keys())
def test_answers_that_cannot_be(lying: LyingTree, snapshots: Snapshots, first: SnapshotRoot, lie: str) -> None:
    lying.read = READS[lie]
    failed(snapshots, first)


def test_a_reply_that_is_none(lying: LyingTree, snapshots: Snapshots, first: SnapshotRoot) -> None:
    def read(reply: Reply) -> Iterator[bytes]:
        yield b"\x08\xff"

    lying.read = read
    failed(snapshots, first)


def test_replies_that_stop(lying: LyingTree, snapshots: Snapshots, first: SnapshotRoot) -> None:
    lying.read = lambda reply: iter(())
    failed(snapshots, first, SidecarUnavailable)
