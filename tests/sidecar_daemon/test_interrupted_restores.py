"""Extractions that are interrupted: by a lost or cancelled caller, a newer attempt, or the daemon's end."""

# ruff: noqa: S108 - /tmp is a name on the wire, not this machine's folder

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path

import pytest

from sidecar_client.client import ExtractProgress, ExtractResult, SidecarClient
from sidecar_client.errors import Cancelled, Refused, SidecarUnavailable, SourceFailed
from tests.sidecar_daemon.daemon import PATIENCE_SECONDS, Daemon, any_operation, eventually
from tests.sidecar_daemon.worlds import MIB, endless_archive
from tests.sidecar_restore.mounting import mount, mounted, unmount
from wire.enums import OutcomeKind

pytestmark = pytest.mark.processes

ARCHIVE = "/tmp/archive.tar.gz"
MANY = 1500


def extract(
    client: SidecarClient,
    *,
    on_progress: Callable[[ExtractProgress], None] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> ExtractResult:
    return client.archive_extract(
        source=ARCHIVE, destination="/data", mode="replace", on_progress=on_progress, cancelled=cancelled
    )


def send(client: SidecarClient, archive: Path) -> None:
    with archive.open("rb") as file:
        client.file_write(path=ARCHIVE, size=archive.stat().st_size, chunks=iter(lambda: file.read(MIB), b""))


class Staging:
    """An extraction in another thread that is staging."""

    def __init__(self, client: SidecarClient, pool: ThreadPoolExecutor) -> None:
        self.give_up = threading.Event()
        staging = threading.Event()

        def on_progress(progress: ExtractProgress) -> None:
            if progress.bytes_done:
                staging.set()

        self.future: Future[ExtractResult] = pool.submit(
            extract, client, on_progress=on_progress, cancelled=self.give_up.is_set
        )
        assert staging.wait(PATIENCE_SECONDS)

    def error(self) -> type[BaseException]:
        return type(self.future.exception(PATIENCE_SECONDS))


@contextmanager
def staging(client: SidecarClient) -> Iterator[Staging]:
    with ThreadPoolExecutor(1) as pool:
        begun = Staging(client, pool)
        try:
            yield begun
        finally:
            begun.give_up.set()


@pytest.fixture
def sent(idle_daemon: Daemon, tmp_path: Path) -> Daemon:
    """A daemon with live data, and an archive in scratch that takes longer to extract than any test."""
    daemon = idle_daemon
    daemon.drain_seconds = 0.5
    daemon.start()
    (daemon.world / "live").write_bytes(b"live")
    endless_archive(tmp_path / "archive")
    with daemon.client() as client:
        send(client, tmp_path / "archive")
    return daemon


def untouched(daemon: Daemon) -> bool:
    return {path.name: path.is_file() and path.read_bytes() for path in daemon.world.iterdir()} == {"live": b"live"}


def test_a_cancel_while_staging_touches_nothing(sent: Daemon) -> None:
    with sent.client() as client:
        with staging(client) as begun:
            begun.give_up.set()
            assert begun.error() is Cancelled
        assert eventually(lambda: client.extract_outcome().kind is OutcomeKind.NONE)
    assert untouched(sent)


def test_extraction_without_a_caller_is_cancelled(sent: Daemon) -> None:
    operation = any_operation()
    with sent.client(operation) as gone, staging(gone) as begun:
        gone.__exit__(None, None, None)
        assert begun.error() is SidecarUnavailable
        assert eventually(lambda: untouched(sent))
    with sent.client(operation) as client:
        assert eventually(lambda: client.extract_outcome().kind is OutcomeKind.NONE)


def test_a_newer_attempt_joins_the_extraction_that_runs(sent: Daemon) -> None:
    operation = any_operation()
    with sent.client(operation, fence=1) as lost, sent.client(operation, fence=2) as heir:
        with staging(lost) as old:
            assert heir.extract_outcome().kind is OutcomeKind.RUNNING
            assert old.error() is Refused
            told: list[ExtractProgress] = []
            with pytest.raises(Cancelled):
                extract(heir, on_progress=told.append, cancelled=lambda: bool(told))
            assert told[0].bytes_done > 0, "it had not begun anew"
        assert eventually(lambda: heir.extract_outcome().kind is OutcomeKind.NONE)
    assert untouched(sent)


def test_an_attempt_right_after_a_cancel_stages_anew(sent: Daemon) -> None:
    operation = any_operation()
    with sent.client(operation) as client:
        for _ in range(5):
            with staging(client) as begun:
                begun.give_up.set()
                assert begun.error() is Cancelled


def test_second_concurrent_extraction_is_refused(sent: Daemon) -> None:
    with sent.client() as client, sent.client() as other, staging(client) as begun:
        with pytest.raises(Refused):
            extract(other)
        with pytest.raises(Refused):
            client.extract_release()
        assert not begun.future.done()


def test_staging_ends_with_the_daemon_and_leaves_nothing(sent: Daemon) -> None:
    with sent.client() as client, staging(client) as begun:
        sent.signal(signal.SIGTERM)
        assert begun.error() is SidecarUnavailable
    assert sent.wait() == 0
    assert untouched(sent)


@pytest.fixture(params=["one volume", "two volumes"])
def exchangeable(request: pytest.FixtureRequest, idle_daemon: Daemon) -> Iterator[Daemon]:
    """A daemon with many live files, and an archive in scratch in which each of them differs. On two volumes, one
    folder is a mount and another one is behind a link.
    """
    idle_daemon.drain_seconds = 0.0
    with ExitStack() as stack:
        if request.param == "two volumes":
            outside, volume = (idle_daemon.folder / name for name in ("outside", "volume"))
            for folder in (idle_daemon.world / "mounted", outside, volume):
                folder.mkdir(parents=True)
            stack.enter_context(mounted("--bind", volume, at=idle_daemon.world / "mounted"))
            (idle_daemon.world / "linked").symlink_to(outside)
            idle_daemon.follow_links_into = [str(outside)]
        yield filled(idle_daemon)
        idle_daemon.close()


def places(daemon: Daemon) -> list[Path]:
    """The folders of the files."""
    return [path for path in (daemon.world, *(daemon.world / name for name in ("linked", "mounted"))) if path.is_dir()]


def filled(idle_daemon: Daemon) -> Daemon:
    for folder, number in product(places(idle_daemon), range(MANY // len(places(idle_daemon)))):
        (folder / f"{number}").write_bytes(b"new")
    idle_daemon.start()
    with (
        idle_daemon.client() as client,
        client.archive_stream(
            source="/data", output=ARCHIVE, on_progress=lambda _: None, cancelled=lambda: False
        ) as stream,
    ):
        for _ in stream:
            pass
    for folder, number in product(places(idle_daemon), range(MANY // len(places(idle_daemon)))):
        (folder / f"{number}").write_bytes(b"old")
    return idle_daemon


def versions(daemon: Daemon) -> set[bytes]:
    """The contents of the live files; the journal stays beside them until the release."""
    live = [path.read_bytes() for folder in places(daemon) for path in folder.iterdir() if path.is_file()]
    assert len(live) == MANY
    return set(live)


@contextmanager
def exchanging(daemon: Daemon, operation: str) -> Iterator[Future[ExtractResult]]:
    """An extraction in another thread, past its commit record, so that it must complete."""
    journal = daemon.world / ".savepoint" / operation / "journal"
    with daemon.client(operation) as client, ThreadPoolExecutor(1) as pool:
        future = pool.submit(extract, client)
        assert eventually(lambda: future.done() or (journal.is_file() and b"commit" in journal.read_bytes()))
        yield future


def test_an_exchange_ends_well_though_the_daemon_is_told_to_end(exchangeable: Daemon) -> None:
    with exchanging(exchangeable, any_operation()) as future:
        exchangeable.signal(signal.SIGTERM)
        assert future.result(PATIENCE_SECONDS).files == MANY
    assert exchangeable.wait() == 0
    assert versions(exchangeable) == {b"new"}


def test_daemon_killed_during_an_exchange_completes_it_later(exchangeable: Daemon) -> None:
    operation = any_operation()
    with exchanging(exchangeable, operation) as future:
        exchangeable.kill()
        assert type(future.exception(PATIENCE_SECONDS)) in (SidecarUnavailable, type(None))
    exchangeable.start()
    with exchangeable.client(operation) as client:
        outcome = client.extract_outcome()
    expected = {OutcomeKind.COMPLETED: {b"new"}, OutcomeKind.ROLLED_BACK: {b"old"}}
    assert versions(exchangeable) == expected[outcome.kind]


@pytest.mark.parametrize("exchangeable", ["two volumes"], indirect=True)
def test_daemon_completes_the_exchange_once_its_volume_is_back(exchangeable: Daemon) -> None:
    operation = any_operation()
    mount_point = exchangeable.world / "mounted"
    with exchanging(exchangeable, operation) as future:
        exchangeable.kill()
        struck = type(future.exception(PATIENCE_SECONDS)) is SidecarUnavailable
    unmount(mount_point)
    exchangeable.start()
    for asking in (any_operation(), operation) if struck else ():
        with exchangeable.client(asking) as client, pytest.raises(SourceFailed) as failure:
            extract(client)
        assert failure.value.params == {"path": "mounted", "errno": "ENODEV"}
    mount("--bind", exchangeable.folder / "volume", at=mount_point)
    with exchangeable.client(operation) as client:
        if struck:
            assert client.extract_outcome().error_params == {"path": "mounted", "errno": "ENODEV"}
            assert extract(client).files == MANY
        assert client.extract_outcome().kind is OutcomeKind.COMPLETED
        client.extract_release()
    assert versions(exchangeable) == {b"new"}
    assert not (mount_point / ".savepoint").exists()
