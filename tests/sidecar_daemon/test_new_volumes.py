"""Restores into new volumes through a daemon, of both formats, and callers that name what they must not."""

# ruff: noqa: S108 - /tmp is a name on the wire, not this machine's folder

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from demo.comparison import differences, live_read, tree_read
from sidecar_client.client import ExtractProgress, ExtractResult, SidecarClient
from sidecar_client.errors import Cancelled, Refused, SidecarClientError, SidecarFailed, SidecarUnavailable
from tests.repository.restoring.trees import Kept
from tests.sidecar_daemon.daemon import PATIENCE_SECONDS, Daemon, any_operation, eventually
from tests.sidecar_daemon.snapshots import REGION, SPARSE, KeptTree, fill
from tests.sidecar_daemon.test_interrupted_tree_restores import flipped, striking
from tests.sidecar_daemon.worlds import MIB, endless_archive
from wire.enums import Mode, OutcomeKind

ARCHIVE = "/tmp/archive.tar.gz"

Into = Callable[..., ExtractResult]


@pytest.fixture
def volumes(idle_daemon: Daemon) -> Path:
    """The folder for new volumes of the daemon, which is not started yet."""
    folder = idle_daemon.folder / "volumes"
    folder.mkdir()
    idle_daemon.volumes = str(folder)
    idle_daemon.drain_seconds = 0.5
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def a_volume() -> str:
    return f"/volumes/{uuid.uuid4()}"


@pytest.fixture(params=["archive", "repository"])
def into(request: pytest.FixtureRequest, idle_daemon: Daemon, volumes: Path) -> Into:
    """Restores a backup of the daemon's data into a volume."""
    fill(idle_daemon.world)
    idle_daemon.start()
    if request.param == "repository":
        kept = KeptTree(Kept(), idle_daemon.world)
        return lambda client, volume, **options: client.tree_restore(
            listing=kept.listing(), destination=volume, mode=Mode.REPLACE,
            **({"contents": kept.contents, "on_progress": lambda _: None, "cancelled": lambda: False} | options),
        )  # fmt: skip
    with (
        idle_daemon.client() as client,
        client.archive_stream(
            source="/data", output=ARCHIVE, on_progress=lambda _: None, cancelled=lambda: False
        ) as stream,
    ):
        for _ in stream:
            pass
    return lambda client, volume, **options: client.archive_extract(
        source=ARCHIVE, destination=volume, mode=Mode.REPLACE,
        **({"on_progress": lambda _: None, "cancelled": lambda: False} | options),
    )  # fmt: skip


def test_backup_becomes_a_volume_and_the_data_is_not_touched(idle_daemon: Daemon, volumes: Path, into: Into) -> None:
    before, volume, operation = live_read(idle_daemon.world), a_volume(), any_operation()
    found = idle_daemon.world.stat()
    (idle_daemon.world / "later").write_bytes(b"stays")
    with idle_daemon.client(operation) as client:
        assert client.describe().can_make_volumes
        into(client, volume)
        assert client.extract_outcome(destination=volume).kind is OutcomeKind.COMPLETED
        assert client.extract_outcome().kind is OutcomeKind.NONE
        client.extract_release(destination=volume)
        assert client.extract_outcome(destination=volume).kind is OutcomeKind.NONE

    made = volumes / Path(volume).name
    assert differences(before, tree_read(made)) == []
    assert (made / "sparse").stat().st_blocks * 512 < SPARSE // 8
    assert (made.stat().st_mode, made.stat().st_uid) == (found.st_mode, found.st_uid)
    assert names(volumes) == [made.name]
    assert (idle_daemon.world / "later").read_bytes() == b"stays"

    with idle_daemon.client(operation) as client:
        with pytest.raises(Refused):
            into(client, volume)
        assert differences(before, tree_read(made)) == []
        client.volume_remove(volume=volume)
        client.volume_remove(volume=volume)
    assert names(volumes) == []


def test_chosen_paths_alone_come_into_a_volume(idle_daemon: Daemon, volumes: Path, into: Into) -> None:
    volume = a_volume()
    with idle_daemon.client() as client:
        into(client, volume, paths=[b"region/r.0.0.mca"])
        client.extract_release(destination=volume)
    made = tree_read(volumes / Path(volume).name)
    assert set(made) - {b""} == {b"region", b"region/r.0.0.mca"}


def test_daemon_that_stopped_before_the_release_still_knows_the_outcome(
    idle_daemon: Daemon, volumes: Path, into: Into
) -> None:
    volume, operation = a_volume(), any_operation()
    with idle_daemon.client(operation) as client:
        made = into(client, volume)
    idle_daemon.kill()
    idle_daemon.start()
    with idle_daemon.client(operation) as client:
        outcome = client.extract_outcome(destination=volume)
        assert (outcome.kind, outcome.result) == (OutcomeKind.COMPLETED, made)
    with idle_daemon.client() as other:
        assert other.extract_outcome(destination=volume).kind is OutcomeKind.NONE


@pytest.mark.parametrize(
    "path", ["/volumes/..", "/volumes/../world", "/volumes/", "/volumes/sub/dir", "/volumes/.savepoint", "/volumes/*"]
)
def test_path_that_leads_elsewhere_is_refused(idle_daemon: Daemon, volumes: Path, into: Into, path: str) -> None:
    before = live_read(idle_daemon.world)
    with idle_daemon.client() as client:
        for call in (
            lambda: into(client, path),
            lambda: client.extract_outcome(destination=path),
            lambda: client.extract_release(destination=path),
            lambda: client.volume_remove(volume=path),
            lambda: client.volume_remove(volume="/data"),
        ):
            with pytest.raises(Refused):
                call()
    assert names(volumes) == []
    assert live_read(idle_daemon.world) == before


def test_volumes_are_no_source_and_no_file_to_read_or_write(idle_daemon: Daemon, volumes: Path, into: Into) -> None:
    volume = a_volume()
    with idle_daemon.client() as client:
        into(client, volume)
        with pytest.raises(Refused):
            list(client.file_read(path=f"{volume}/level.dat", cancelled=lambda: False))
        with pytest.raises(Refused):
            client.file_write(path=f"{volume}/new", size=1, chunks=[b"x"])
        with pytest.raises(Refused):
            client.file_delete(path=f"{volume}/level.dat")


def test_daemon_without_the_option_makes_none(daemon: Daemon) -> None:
    with daemon.client() as client:
        assert not client.describe().can_make_volumes
        client.file_write(path=ARCHIVE, size=1, chunks=[b"x"])
        with pytest.raises(Refused):
            client.archive_extract(
                source=ARCHIVE, destination=a_volume(), mode="replace", on_progress=lambda _: None,
                cancelled=lambda: False,
            )  # fmt: skip
        with pytest.raises(Refused):
            client.volume_remove(volume=a_volume())


@pytest.fixture
def endless(idle_daemon: Daemon, volumes: Path, tmp_path: Path) -> Daemon:
    """A started daemon, with an archive in scratch that takes longer to extract than any test."""
    idle_daemon.start()
    archive = tmp_path / "archive"
    endless_archive(archive)
    with idle_daemon.client() as client, archive.open("rb") as file:
        client.file_write(path=ARCHIVE, size=archive.stat().st_size, chunks=iter(lambda: file.read(MIB), b""))
    return idle_daemon


class Making:
    """A volume that is being made in another thread, for ever."""

    def __init__(self, client: SidecarClient, volume: str, pool: ThreadPoolExecutor) -> None:
        self.give_up = threading.Event()
        begun = threading.Event()

        def on_progress(progress: ExtractProgress) -> None:
            if progress.bytes_done:
                begun.set()

        self.future = pool.submit(
            client.archive_extract, source=ARCHIVE, destination=volume, mode="replace", on_progress=on_progress,
            cancelled=self.give_up.is_set,
        )  # fmt: skip
        assert begun.wait(PATIENCE_SECONDS)

    def error(self) -> BaseException | None:
        return self.future.exception(PATIENCE_SECONDS)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


@pytest.mark.processes
def test_cancel_takes_the_unfinished_volume_away(endless: Daemon, volumes: Path, pool: ThreadPoolExecutor) -> None:
    volume = a_volume()
    with endless.client() as client:
        making = Making(client, volume, pool)
        assert names(volumes) == [f".{Path(volume).name}.part"]
        assert client.extract_outcome(destination=volume).kind is OutcomeKind.RUNNING
        with pytest.raises(Refused):
            client.volume_remove(volume=volume)
        making.give_up.set()
        assert isinstance(making.error(), Cancelled)
        assert eventually(lambda: client.extract_outcome(destination=volume).kind is OutcomeKind.NONE)
    assert names(volumes) == []


@pytest.mark.processes
def test_killed_daemon_leaves_no_half_volume(endless: Daemon, volumes: Path, pool: ThreadPoolExecutor) -> None:
    volume, operation = a_volume(), any_operation()
    with endless.client(operation) as client:
        making = Making(client, volume, pool)
        endless.kill()
        assert isinstance(making.error(), SidecarUnavailable)
    assert names(volumes) == [f".{Path(volume).name}.part"]
    endless.start()
    assert names(volumes) == []
    with endless.client(operation) as client:
        assert client.extract_outcome(destination=volume).kind is OutcomeKind.NONE


@pytest.mark.processes
def test_stopped_daemon_leaves_no_half_volume(endless: Daemon, volumes: Path, pool: ThreadPoolExecutor) -> None:
    with endless.client() as client:
        making = Making(client, a_volume(), pool)
        assert endless.stop() == 0
        assert isinstance(making.error(), SidecarClientError)
    assert names(volumes) == []


@pytest.mark.processes
def test_call_for_another_destination_does_not_join(endless: Daemon, pool: ThreadPoolExecutor) -> None:
    operation = any_operation()
    with endless.client(operation) as client:
        making = Making(client, a_volume(), pool)
        for destination in (a_volume(), "/data"):
            with pytest.raises(Refused):
                client.archive_extract(
                    source=ARCHIVE, destination=destination, mode="replace", on_progress=lambda _: None,
                    cancelled=lambda: False,
                )  # fmt: skip
        assert not making.future.done()
        making.give_up.set()


def test_worker_that_lies_or_stops_leaves_no_volume(idle_daemon: Daemon, volumes: Path) -> None:
    fill(idle_daemon.world)
    idle_daemon.start()
    kept, volume = KeptTree(Kept(), idle_daemon.world), a_volume()

    def lose() -> None:
        raise OSError("the storage is gone")

    lies = (lambda numbers: flipped(kept.contents(numbers)), striking(kept, 3, lose))
    for contents, error in zip(lies, (SidecarFailed, OSError), strict=True):
        with idle_daemon.client() as client:
            with pytest.raises(error):
                client.tree_restore(
                    listing=kept.listing(), contents=contents, destination=volume, mode="replace",
                    on_progress=lambda _: None, cancelled=lambda: False,
                )  # fmt: skip
            assert eventually(lambda: client.extract_outcome(destination=volume).kind is OutcomeKind.NONE)
        assert names(volumes) == []
    assert (idle_daemon.world / "region" / "r.0.0.mca").read_bytes() == REGION
