"""Restores of trees that are interrupted at any point, by either side, and callers that send what nobody asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest

from demo.comparison import Tree, live_read
from sidecar_client.client import ExtractProgress, ExtractResult, SidecarClient
from sidecar_client.errors import Cancelled, Refused, SidecarClientError, SidecarFailed, SidecarUnavailable
from sidecar_client.status import error_from_status
from tests.repository.restoring.trees import Kept
from tests.sidecar_daemon.daemon import PATIENCE_SECONDS, Daemon, any_operation, eventually
from tests.sidecar_daemon.snapshots import REGION, KeptTree, Pieces, Runs, fill, tree_restore, trusting_daemon
from tests.sidecar_restore.trees import write
from wire.enums import OutcomeKind, Phase
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire

pytestmark = pytest.mark.processes


class StorageLost(Exception):
    pass


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with trusting_daemon(tmp_path / "daemon") as daemon:
        daemon.drain_seconds = 0.5
        yield daemon


@pytest.fixture
def kept(daemon: Daemon) -> KeptTree:
    """A snapshot of the daemon's data, which has changed since."""
    fill(daemon.world)
    kept = KeptTree(Kept(), daemon.world)
    write(daemon.world / "region" / "r.0.0.mca", REGION[::2] * 2)
    write(daemon.world / "region" / "r.0.1.mca", REGION[::3] * 3)
    write(daemon.world / "many" / "3.json", b"!!!")
    write(daemon.world / "extra", b"new")
    return kept


@pytest.fixture
def before(daemon: Daemon, kept: KeptTree) -> Tree:
    return live_read(daemon.world)


def is_untouched(daemon: Daemon, before: Tree) -> bool:
    return not (daemon.world / ".savepoint").exists() and live_read(daemon.world) == before


def is_clean(daemon: Daemon) -> bool:
    """Whether neither scratch nor the process has anything left of a restore."""
    assert daemon.process is not None
    targets = []
    for link in Path(f"/proc/{daemon.process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            targets.append(str(link.readlink()))
    return not daemon.left_in_scratch() and not any("partial" in target for target in targets)


def striking(kept: KeptTree, count: int, strike: Callable[[], object]) -> Callable[[Sequence[int]], Pieces]:
    """The contents of a tree; before the piece of that number `strike` is called."""
    left = count

    def contents(numbers: Sequence[int]) -> Iterator[memoryview | int]:
        nonlocal left
        for piece in kept.contents(numbers):
            if left == 0:
                strike()
            left -= 1
            yield piece

    return contents


@pytest.mark.parametrize("count", [0, 1, 3, 5])
def test_worker_that_cannot_read_its_storage_ends_the_restore(
    daemon: Daemon, kept: KeptTree, before: Tree, count: int
) -> None:
    operation = any_operation()

    def lose() -> None:
        raise StorageLost

    with daemon.client(operation) as client:
        with pytest.raises(StorageLost):
            tree_restore(client, kept, contents=striking(kept, count, lose))
        assert eventually(lambda: client.extract_outcome().kind is OutcomeKind.NONE)
        assert eventually(lambda: is_untouched(daemon, before))
        assert eventually(lambda: is_clean(daemon))

    with daemon.client(operation, fence=2) as client:
        tree_restore(client, kept)
    assert (daemon.world / "region" / "r.0.0.mca").read_bytes() == REGION


def test_worker_that_cannot_read_its_manifest_ends_the_restore(daemon: Daemon, kept: KeptTree, before: Tree) -> None:
    def listing() -> Iterator[bytes]:
        yield next(kept.listing())[:20]
        raise StorageLost

    with daemon.client() as client, pytest.raises(StorageLost):
        tree_restore(client, kept, listing=listing())
    assert is_untouched(daemon, before)
    assert eventually(lambda: is_clean(daemon))


@pytest.mark.parametrize("count", [0, 1, 4])
def test_restore_without_a_caller_is_cancelled(daemon: Daemon, kept: KeptTree, before: Tree, count: int) -> None:
    operation = any_operation()
    client = daemon.client(operation)
    with client:
        with pytest.raises(SidecarUnavailable):
            tree_restore(client, kept, contents=striking(kept, count, lambda: client.__exit__(None, None, None)))
        assert eventually(lambda: is_untouched(daemon, before))
    with daemon.client(operation) as asking:
        assert eventually(lambda: asking.extract_outcome().kind is OutcomeKind.NONE)
    assert eventually(lambda: is_clean(daemon))


def test_exchange_that_began_ends_without_its_caller(daemon: Daemon, kept: KeptTree) -> None:
    operation = any_operation()
    client = daemon.client(operation)

    def on_progress(progress: ExtractProgress) -> None:
        if progress.phase in (Phase.EXCHANGING, Phase.DONE):
            client.__exit__(None, None, None)

    with client, suppress(SidecarUnavailable):
        tree_restore(client, kept, on_progress=on_progress)
    with daemon.client(operation) as asking:
        assert eventually(lambda: asking.extract_outcome().kind is OutcomeKind.COMPLETED)
        asking.extract_release()
    assert (daemon.world / "region" / "r.0.0.mca").read_bytes() == REGION
    assert not (daemon.world / "extra").exists()


class Waiting:
    """A restore in another thread, whose worker waits before the second piece of contents."""

    def __init__(self, client: SidecarClient, kept: KeptTree, pool: ThreadPoolExecutor) -> None:
        self.go, self.waits = threading.Event(), threading.Event()
        self.give_up, self.has_given_up = threading.Event(), threading.Event()
        contents = striking(kept, 1, self._wait)
        self.future: Future[ExtractResult] = pool.submit(
            tree_restore, client, kept, contents=contents, cancelled=self._cancelled
        )
        assert self.waits.wait(PATIENCE_SECONDS)

    def _wait(self) -> None:
        self.waits.set()
        self.go.wait(PATIENCE_SECONDS)

    def _cancelled(self) -> bool:
        if self.give_up.is_set():
            self.has_given_up.set()
        return self.give_up.is_set()

    def error(self) -> type[BaseException]:
        assert not self.give_up.is_set() or self.has_given_up.wait(PATIENCE_SECONDS)
        self.go.set()
        return type(self.future.exception(PATIENCE_SECONDS))


@contextmanager
def waiting(client: SidecarClient, kept: KeptTree) -> Iterator[Waiting]:
    with ThreadPoolExecutor(1) as pool:
        begun = Waiting(client, kept, pool)
        try:
            yield begun
        finally:
            begun.go.set()


def test_cancel_while_contents_are_awaited_touches_nothing(daemon: Daemon, kept: KeptTree, before: Tree) -> None:
    with daemon.client() as client:
        with waiting(client, kept) as begun:
            begun.give_up.set()
            assert begun.error() is Cancelled
        assert eventually(lambda: client.extract_outcome().kind is OutcomeKind.NONE)
        assert eventually(lambda: is_untouched(daemon, before))
    assert eventually(lambda: is_clean(daemon))


def test_newer_attempt_begins_anew_with_its_own_contents(daemon: Daemon, kept: KeptTree) -> None:
    operation = any_operation()
    with daemon.client(operation, fence=1) as lost, daemon.client(operation, fence=2) as heir:
        with waiting(lost, kept) as old:
            tree_restore(heir, kept)
            assert old.error() is Refused
        assert heir.extract_outcome().kind is OutcomeKind.COMPLETED
    assert (daemon.world / "region" / "r.0.0.mca").read_bytes() == REGION


def test_daemon_that_is_killed_while_staging_leaves_all_as_it_was(daemon: Daemon, kept: KeptTree, before: Tree) -> None:
    operation = any_operation()
    with daemon.client(operation) as client, waiting(client, kept) as begun:
        daemon.kill()
        assert begun.error() is SidecarUnavailable
    daemon.start()
    assert is_untouched(daemon, before)
    with daemon.client(operation) as client:
        assert client.extract_outcome().kind is OutcomeKind.NONE
        tree_restore(client, kept)
    assert (daemon.world / "region" / "r.0.0.mca").read_bytes() == REGION


def test_daemon_that_is_stopped_does_not_wait_for_contents(daemon: Daemon, kept: KeptTree, before: Tree) -> None:
    daemon.stop()
    daemon.start()  # with the short drain
    with daemon.client() as client, waiting(client, kept) as begun:
        assert daemon.stop() == 0
        assert issubclass(begun.error(), SidecarClientError)
    assert is_untouched(daemon, before)


def flipped(pieces: Pieces) -> Pieces:
    for piece in pieces:
        yield piece if isinstance(piece, int) else memoryview(bytes(piece[:-1]) + b"\x00")


def shifted(pieces: Pieces) -> Pieces:
    yield memoryview(b"?")
    yield from pieces


def with_a_hole(pieces: Pieces) -> Pieces:
    yield 1 << 62
    yield from pieces


@pytest.mark.parametrize("lie", [flipped, shifted, with_a_hole])
def test_worker_that_sends_other_contents_is_caught(
    daemon: Daemon, kept: KeptTree, before: Tree, lie: Callable[[Pieces], Pieces]
) -> None:
    with daemon.client() as client, pytest.raises(SidecarFailed) as failure:
        tree_restore(client, kept, contents=lambda numbers: lie(kept.contents(numbers)))
    assert failure.value.code == "archive_damaged"
    assert eventually(lambda: is_untouched(daemon, before))
    assert eventually(lambda: is_clean(daemon))


def in_another_order(runs: Runs) -> Runs:
    return reversed(list(runs))


def of_other_bytes(runs: Runs) -> Runs:
    for run in runs:
        yield run if isinstance(run, int) else run._replace(payload=bytes(run.size), chunk=bytes(32))


def cut(runs: Runs) -> Runs:
    for run in runs:
        yield run if isinstance(run, int) else run._replace(payload=run.payload[: len(run.payload) // 2])


def beyond_their_chunks(runs: Runs) -> Runs:
    for run in runs:
        yield run if isinstance(run, int) else run._replace(offset=run.size)


def twice(runs: Runs) -> Runs:
    for run in runs:
        yield run
        yield run


@pytest.mark.parametrize("lie", [in_another_order, of_other_bytes, cut, beyond_their_chunks, twice])
def test_worker_that_sends_other_runs_is_caught(
    daemon: Daemon, kept: KeptTree, before: Tree, lie: Callable[[Runs], Runs]
) -> None:
    with daemon.client() as client, pytest.raises(SidecarFailed) as failure:
        tree_restore(client, kept, contents=lambda numbers: lie(kept.runs(numbers)))
    assert failure.value.code == "archive_damaged"
    assert eventually(lambda: is_untouched(daemon, before))
    assert eventually(lambda: is_clean(daemon))


def sent(daemon: Daemon, parts: Iterable[dict[str, Any]]) -> SidecarClientError:
    """The error of a call with these requests behind the header."""
    ticket = wire.Ticket(operation=any_operation(), fence=1)
    header = wire.RestoreTreeRequest.Header(ticket=ticket, destination="/data", mode=wire.EXTRACT_MODE_REPLACE)
    requests = [wire.RestoreTreeRequest(header=header), *(wire.RestoreTreeRequest(**part) for part in parts)]
    with daemon.calls() as calls, pytest.raises(grpc.RpcError) as failure:
        list(calls.restore_tree(iter([request.SerializeToString() for request in requests]), metadata=daemon.metadata))
    return error_from_status(failure.value)


def test_requests_out_of_order_are_refused(daemon: Daemon, kept: KeptTree, before: Tree) -> None:
    pieces = list(kept.listing())
    size = sum(map(len, pieces))
    listing = [*({"listing": piece} for piece in pieces), {"listing_bytes": size}]
    wrong: list[tuple[list[dict[str, Any]], str]] = [
        ([], "archive_damaged"),
        ([{"data": b"too early"}], "archive_damaged"),
        ([{"listing": b"no listing"}, {"listing_bytes": 10}], "archive_damaged"),
        ([*listing[:-1], {"listing_bytes": size + 1}], "archive_damaged"),
        (listing, "source_failed"),
        ([*listing, {"data": b"unasked"}], "archive_damaged"),
        ([*listing, {"contents_of": 7}], "archive_damaged"),
        ([*listing, {"listing": b"more"}], "sidecar_refused"),
        ([*listing, {"chunk": b"x", "chunk_bytes": 2}], "archive_damaged"),
        ([*listing, {"chunk": b"x", "chunk_bytes": 1}, {"chunk_bytes": 1}], "sidecar_refused"),
        ([*listing, {"runs": {"chunks": [1], "offsets": [0], "lengths": [1]}}], "archive_damaged"),
        ([*listing, {"chunk": b"x", "chunk_bytes": 1}, {"runs": {"chunks": [1], "lengths": [1]}}], "sidecar_refused"),
        ([{"chunk": b"x", "chunk_bytes": 1}], "archive_damaged"),
    ]
    for parts, code in wrong:
        assert sent(daemon, parts).code == code, parts[-1:]
        assert eventually(lambda: is_untouched(daemon, before))
    assert eventually(lambda: is_clean(daemon))


@pytest.mark.parametrize("path", [b"/etc", b"../up", b".savepoint"])
def test_impossible_choice_is_refused(daemon: Daemon, kept: KeptTree, path: bytes) -> None:
    with daemon.client() as client:
        with pytest.raises(Refused):
            tree_restore(client, kept, paths=[path])
        with pytest.raises(Refused):
            client.restore_preview(
                listing=kept.listing(), mode="replace", paths=[path], paths_limit=1, paths_after=b"",
                cancelled=lambda: False,
            )  # fmt: skip
        with pytest.raises(Refused):
            client.archive_extract(
                source="/tmp/archive", destination="/data", mode="replace", paths=[path], on_progress=lambda _: None,  # noqa: S108
                cancelled=lambda: False,
            )  # fmt: skip
