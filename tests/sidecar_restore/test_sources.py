"""The engine takes members from any source: here from memory, compared by hash, as no archive is."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import groupby
from pathlib import Path

import pytest

from sidecar.errors import ArchiveDamaged
from sidecar.restore.comparing.left_out import LeftOut
from sidecar.restore.engine import members_restore
from sidecar.restore.outcome import outcome_read
from sidecar.restore.reading.members import ZEROS, Compared, Member, MemberKind, Wanted
from sidecar.restore.recovery import extractions_recover
from sidecar.restore.workspace.outcomes import ExtractSummary
from tests.sidecar_restore.conftest import OPERATION
from tests.sidecar_restore.faults import Stepping, dies_at, in_child
from tests.sidecar_restore.trees import live, settle, write
from trees.metadata import Metadata
from wire.enums import Mode, OutcomeKind

HOLE = 1 << 20
TIME = 1_600_000_000_123_456_789


class MemoryMembers:
    """Members in memory, which know their hashes. `given` are the paths whose content was asked for."""

    least_bytes = 0

    def __init__(self, members: list[tuple[Member, list[bytes]]], *, damaged: bytes = b"") -> None:
        self._members = members
        self._damaged = damaged
        self._current: tuple[Member, list[bytes]] = members[0]
        self.given: list[bytes] = []

    @contextmanager
    def read(self, wanted: Wanted | None = None) -> Iterator[MemoryMembers]:
        yield self

    def members(self) -> Iterator[Member]:
        for current in self._members:
            self._current = current
            yield current[0]

    def content(self) -> Iterator[memoryview]:
        member, pieces = self._current
        self.given.append(member.path)
        for piece in pieces:
            yield memoryview(piece)
        if member.path == self._damaged:
            raise ArchiveDamaged("a hash is wrong")

    def compare(self, live: int | None) -> Iterator[Compared]:
        member, pieces = self._current
        wanted = hashlib.sha256(b"".join(pieces)).digest()
        same = live is not None and hashlib.sha256(os.read(live, member.size)).digest() == wanted
        yield Compared(member.size, sum(len(piece) for piece in pieces if piece is not ZEROS), same)


def member(path: str, kind: MemberKind, *, size: int = 0, link: str = "") -> Member:
    mode = 0o755 if kind is MemberKind.DIRECTORY else 0o644
    return Member(kind, path.encode(), link.encode(), size, Metadata(mode, os.geteuid(), os.getegid(), TIME))


def file(path: str, *pieces: bytes) -> tuple[Member, list[bytes]]:
    return member(path, MemberKind.FILE, size=sum(map(len, pieces))), list(pieces)


@pytest.fixture
def members() -> list[tuple[Member, list[bytes]]]:
    return [
        file("changed", b"new"),
        (member("folder", MemberKind.DIRECTORY), []),
        file("folder/same", b"same"),
        file("folder/sparse", b"data", ZEROS, b"end"),
        (member("folder/second name", MemberKind.HARDLINK, link="changed"), []),
        (member("link", MemberKind.SYMLINK, link="/nowhere"), []),
    ]


@pytest.fixture
def data(root: Path) -> Path:
    return fill(root)


def fill(root: Path) -> Path:
    write(root / "changed", b"old")
    write(root / "extra", b"old")
    write(root / "folder" / "same", b"same", mtime_ns=TIME)
    settle(root)
    return root


def restore(root: Path, source: MemoryMembers, filesystem: Stepping | None = None) -> ExtractSummary:
    return members_restore(
        members=nullcontext(source),
        left_out=LeftOut,
        root=root,
        operation=OPERATION,
        mode=Mode.REPLACE,
        on_progress=lambda _: None,
        cancelled=lambda: False,
        filesystem=filesystem,
    )


def test_members_from_memory_are_restored(data: Path, members: list[tuple[Member, list[bytes]]]) -> None:
    inode = (data / "folder" / "same").stat().st_ino
    source = MemoryMembers(members)

    summary = restore(data, source)

    assert (data / "changed").read_bytes() == b"new"
    assert (data / "folder" / "second name").samefile(data / "changed")
    assert (data / "folder" / "sparse").read_bytes() == b"data" + ZEROS + b"end"
    assert (data / "folder" / "sparse").stat().st_blocks * 512 < HOLE
    assert (data / "link").readlink() == Path("/nowhere")
    assert not (data / "extra").exists()
    assert (data / "folder" / "same").stat().st_ino == inode
    assert source.given == [b"changed", b"folder/sparse"], "an unchanged file is not asked for"
    assert (summary.files, summary.removed) == (5, 1)


def test_killed_at_any_step_it_is_wholly_old_or_wholly_new(
    data: Path, members: list[tuple[Member, list[bytes]]]
) -> None:
    old = live(data)
    restore(data, MemoryMembers(members))
    new = live(data)
    ends = []
    step, status = 0, -signal.SIGKILL
    while status == -signal.SIGKILL:
        step += 1
        shutil.rmtree(data)
        data.mkdir()
        assert live(fill(data)) == old
        volume = Stepping(before=dies_at(step, must_strike=False))
        status = in_child(lambda: restore(data, MemoryMembers(members), volume))  # noqa: B023 - over by then
        extractions_recover(root=data)
        ends.append(outcome_read(root=data, operation=OPERATION).kind)
        assert live(data) == (new if ends[-1] is OutcomeKind.COMPLETED else old)

    assert status == 0
    changes = [(kind, len(list(steps))) for kind, steps in groupby(ends)]
    assert [kind for kind, _ in changes] == [OutcomeKind.NONE, OutcomeKind.COMPLETED]
    assert min(steps for _, steps in changes) > 20, "it died while staging, and while exchanging"


def test_source_that_fails_while_it_is_staged_leaves_all_as_it_was(
    data: Path, members: list[tuple[Member, list[bytes]]]
) -> None:
    old = live(data)

    with pytest.raises(ArchiveDamaged):
        restore(data, MemoryMembers(members, damaged=b"folder/sparse"))

    assert live(data) == old
    assert not (data / ".savepoint").exists()
