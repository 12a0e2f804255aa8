"""Patterns over the wire: a backup, its restore, and estimates."""

# ruff: noqa: S108 - /tmp is a name on the wire, not this machine's folder

from __future__ import annotations

import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from demo.comparison import live_read
from sidecar.calls.calls import Call, Calls
from sidecar.calls.fences import Fences
from sidecar.errors import Busy, Cancelled
from sidecar.exclusion.service import ESTIMATES_AT_ONCE, Estimates
from sidecar.places.links import LinkRoots
from sidecar_client.client import SidecarClient
from sidecar_client.errors import Refused, SourceFailed
from sidecar_client.values import BackupEstimate, Exclude, Excluded, ExcludedPath, PatternCount
from tests.sidecar_archive.listings import traces
from tests.sidecar_daemon.daemon import Daemon
from tests.sidecar_daemon.scripted_sidecar import ScriptedSidecar, serving
from wire.contract import PATTERN_BYTES_MAX, PATTERNS_MAX
from wire.enums import ChangeKind
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire

pytestmark = pytest.mark.processes

ARCHIVE = "/tmp/backup.tar.gz"
LISTING = "/tmp/backup.listing"
LOGS = Exclude(after=(b"*.log", b"cache/"))


def world_fill(daemon: Daemon) -> None:
    sizes = {"level.dat": 10, "logs/a.log": 20, "cache/x": 30, "region/r.mca": 40}
    for path, size in sizes.items():
        (daemon.world / path).parent.mkdir(parents=True, exist_ok=True)
        (daemon.world / path).write_bytes(bytes(size))


def back_up(client: SidecarClient, exclude: Exclude) -> tuple[Excluded, bytes]:
    with client.archive_stream(
        source="/data",
        output=ARCHIVE,
        listing=LISTING,
        exclude=exclude,
        on_progress=lambda _: None,
        cancelled=lambda: False,
    ) as stream:
        b"".join(stream)
    return stream.result.excluded, b"".join(client.file_read(path=LISTING, cancelled=lambda: False))


def estimate(client: SidecarClient, exclude: Exclude = LOGS, *, since_ns: int = 0, limit: int = 1000) -> BackupEstimate:
    return client.backup_estimate(source="/data", exclude=exclude, changed_since_ns=since_ns, paths_limit=limit)


def test_a_replace_restore_leaves_what_the_backup_left_out(daemon: Daemon) -> None:
    world_fill(daemon)
    with daemon.client() as client:
        excluded, listing = back_up(client, LOGS)
        assert excluded == Excluded(entries=3, bytes=50, patterns=(b"*.log", b"cache/"))
        (daemon.world / "level.dat").write_bytes(b"ruined")
        (daemon.world / "logs/a.log").write_bytes(b"newer log")
        (daemon.world / "cache/z").write_bytes(b"newer")
        (daemon.world / "extra").touch()
        shutil.rmtree(daemon.world / "region")
        previewed = client.restore_preview(
            listing=[listing], mode="replace", paths_limit=100, paths_after=b"", cancelled=lambda: False
        )
        kinds = {change.path: change.kind for change in previewed.changes}
        assert kinds[b"logs/a.log"] == kinds[b"cache"] == ChangeKind.STAYS
        assert (kinds[b"extra"], previewed.stays) == (ChangeKind.REMOVED, 2)
        result = client.archive_extract(
            source=ARCHIVE,
            listing=LISTING,
            destination="/data",
            mode="replace",
            on_progress=lambda _: None,
            cancelled=lambda: False,
        )
    assert (result.removed, result.staying_total) == (1, 0)
    assert (daemon.world / "logs/a.log").read_bytes() == b"newer log"
    assert (daemon.world / "cache/z").read_bytes() == b"newer"
    assert (daemon.world / "level.dat").read_bytes() == bytes(10)
    assert (daemon.world / "region/r.mca").read_bytes() == bytes(40)
    assert not (daemon.world / "extra").exists()


def test_an_estimate_counts_for_each_pattern_and_writes_nothing(daemon: Daemon) -> None:
    world_fill(daemon)
    (daemon.world / ".savepointignore").write_text("[\n/region/\n!*.mca\n")
    before, traces_before = live_read(daemon.world), traces(daemon.world)
    with daemon.client() as client:
        told = estimate(client, Exclude(before=(b"*.log",), after=(b"cache/", b"nothing"), ignore_file=True))
    assert told == BackupEstimate(
        entries=3,
        bytes=10 + (daemon.world / ".savepointignore").stat().st_size,
        changed_bytes=told.bytes,
        changed_entries=3,
        now_ns=told.now_ns,
        patterns=(
            PatternCount(b"*.log", 1, 20),
            PatternCount(b"[", 0, 0, of_file=True, impossible=True),
            PatternCount(b"/region/", 2, 40, of_file=True),
            PatternCount(b"!*.mca", 0, 0, of_file=True),
            PatternCount(b"cache/", 2, 30),
            PatternCount(b"nothing", 0, 0),
        ),
        paths=(
            ExcludedPath(b"cache", 4, is_folder=True, entries=2, bytes=30),
            ExcludedPath(b"logs/a.log", 0, is_folder=False, entries=1, bytes=20),
            ExcludedPath(b"region", 2, is_folder=True, entries=2, bytes=40),
        ),
        more=False,
    )
    assert (live_read(daemon.world), traces(daemon.world)) == (before, traces_before)
    assert daemon.left_in_scratch() == []


def test_an_estimate_counts_what_changed_since_a_time(daemon: Daemon) -> None:
    world_fill(daemon)
    with daemon.client() as client:
        assert estimate(client, since_ns=time.time_ns() + 10**9).changed_bytes == 0
        (daemon.world / "region/again.mca").hardlink_to(daemon.world / "region/r.mca")
        assert estimate(client, since_ns=(daemon.world / "level.dat").stat().st_ctime_ns).changed_bytes == 50


def test_an_estimate_names_as_many_paths_as_were_asked_for(daemon: Daemon) -> None:
    world_fill(daemon)
    with daemon.client() as client:
        told = estimate(client, limit=1)
    assert ([path.path for path in told.paths], told.more) == ([b"cache"], True)


def test_a_wrong_pattern_is_refused(daemon: Daemon) -> None:
    with daemon.client() as client, pytest.raises(Refused, match="pattern 1"):
        estimate(client, Exclude(after=(b"[",)))


def test_only_a_few_estimates_run_at_once_and_one_without_a_caller_ends(tmp_path: Path) -> None:
    (tmp_path / "level.dat").touch()
    estimates = Estimates(root=tmp_path, calls=Calls(Fences(tmp_path / "fences")), links=LinkRoots())
    released, reached = threading.Event(), threading.Semaphore(0)

    class Waiting(Call):
        def check(self) -> None:
            reached.release()
            released.wait()
            raise Cancelled("The caller went away.")

    request = wire.EstimateBackupRequest(source="/data")

    def ask(call: Call) -> int:
        return estimates.answer(call, request).entries

    with ThreadPoolExecutor(ESTIMATES_AT_ONCE) as threads:
        running = [threads.submit(ask, Waiting(operation="a", fence=0)) for _ in range(ESTIMATES_AT_ONCE)]
        for _ in running:
            reached.acquire()
        with pytest.raises(Busy):
            ask(Call(operation="b", fence=0))
        released.set()
        assert all(isinstance(future.exception(), Cancelled) for future in running)
    assert ask(Call(operation="b", fence=0)) == 1


class LyingSidecar(ScriptedSidecar):
    def __init__(self, reply: wire.EstimateBackupReply) -> None:
        super().__init__()
        self.reply = reply

    def EstimateBackup(  # noqa: N802
        self, request: wire.EstimateBackupRequest, context: grpc.ServicerContext
    ) -> wire.EstimateBackupReply:
        return self.reply


PATTERN = wire.EstimateBackupReply.Pattern
PATH = wire.EstimateBackupReply.Path


@pytest.mark.parametrize(
    "reply",
    [
        wire.EstimateBackupReply(paths=[PATH(path=b"a", pattern=0)]),
        wire.EstimateBackupReply(patterns=[PATTERN(pattern=b"a")] * (PATTERNS_MAX + 1)),
        wire.EstimateBackupReply(patterns=[PATTERN(pattern=b"a" * (PATTERN_BYTES_MAX + 1))]),
    ],
)
def test_a_sidecar_that_lies_about_patterns_is_caught(reply: wire.EstimateBackupReply) -> None:
    with serving(LyingSidecar(reply)) as client, pytest.raises(SourceFailed):
        estimate(client)


def test_a_sidecar_that_reports_too_many_patterns_fails_the_backup() -> None:
    scripted = ScriptedSidecar()
    assert scripted.result is not None
    scripted.result.excluded.patterns.extend([b"a"] * (PATTERNS_MAX + 1))
    with serving(scripted) as client, pytest.raises(SourceFailed):
        back_up(client, LOGS)
