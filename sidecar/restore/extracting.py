"""The running extraction, and the outcomes of earlier ones."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from sidecar.calls.calls import Call, ShuttingDown
from sidecar.calls.jobs import Job
from sidecar.errors import Cancelled, Refused, SidecarError, SourceFailed
from sidecar.game.server import GameServer
from sidecar.places.finding import NO_LINKS
from sidecar.places.links import LinkRoots
from sidecar.restore.outcome import outcome_read, outcome_release
from sidecar.restore.recovery import extractions_recover
from sidecar.restore.workspace.outcomes import ExtractSummary, Outcome
from sidecar.restore.workspace.progress import ExtractProgress
from sidecar.volumes import Volume, Volumes
from wire.enums import OutcomeKind, Phase, ServerControl

Told = tuple[ExtractProgress, ExtractSummary | None]
ExtractJob = Job[ExtractProgress, ExtractSummary]

_NOT_ENDED: Final = "The extraction could not be brought to its end."
_RELEASE_WAITS_SECONDS: Final = 5.0
_NOTHING_YET: Final = ExtractProgress(phase=Phase.STAGING, bytes_done=0, files=0)


class Restore(Protocol):
    """A restore of any source: `archive_extract` or `tree_restore`, with the arguments that only they know."""

    def __call__(
        self,
        *,
        root: Path,
        operation: str,
        on_progress: Callable[[ExtractProgress], None],
        cancelled: Callable[[], bool],
        before_exchange: Callable[[], None],
        weigh: bool,
        links: LinkRoots,
    ) -> ExtractSummary:
        """Restore; as `members_restore`."""
        ...


class Extractions:
    """Runs one extraction at a time, into the data or into a new volume; the calls of its operation follow it.

    The extraction is cancelled when its last call ends, unless a newer attempt is about to follow; one that a call
    feeds is cancelled with that call. Once it exchanges names, it always runs to its end. It excludes the release and
    the recovery of another extraction: each would see the other's folders partly removed. The making of a volume
    excludes those of volumes alone, since it does not touch the data.
    """

    def __init__(self, *, root: Path, server: GameServer, links: LinkRoots, volumes: Volumes) -> None:
        self.volumes = volumes
        self._root = root
        self._links = links
        self._server = server
        self._lock = threading.Lock()
        self._at_work = threading.Lock()
        self._making = threading.Lock()
        self._operation = ""
        self._volume = b""
        self._job: ExtractJob | None = None
        self._followers = 0
        self._finished = False

    def run(
        self,
        call: Call,
        *,
        restore: Restore,
        server: ServerControl,
        volume: Volume | None = None,
        fed: threading.Event | None = None,
    ) -> Iterator[Told]:
        """Follow the operation's extraction, starting it unless it runs; yield its progress, at last its summary.

        A finished extraction is not repeated: its summary is yielded at once, or its error raised. `server`: whether
        the game server is stopped while names are exchanged; it is left alone when a `volume` is made. `fed`: the call
        feeds the extraction that it starts, and when this is set, it has something to ask for: the progress is yielded
        at once. Raises `SidecarError`s.
        """
        while True:
            job, is_started = self._join_or_start(call, restore=restore, server=server, volume=volume)
            call.on_stop(partial(self._leave, call, job, feeds=is_started and fed is not None))
            for progress in job.follow(call, woken=fed):
                yield progress, None
            try:
                summary = job.result()
            except Cancelled:
                call.check()
                if not job.cancelled():
                    raise
                # The extraction was already being cancelled when this call joined: start again.
            else:
                yield _done(summary), summary
                return

    def outcome(self, *, operation: str, volume: Volume | None = None) -> Outcome:
        """The outcome of the operation's extraction, into the data or a volume.

        RUNNING with an error: the extraction could not end.
        """
        with self._lock:
            if self._runs(operation):
                return Outcome(OutcomeKind.RUNNING)
            if volume is not None:
                return volume.outcome(operation=operation)
            outcome = outcome_read(root=self._root, operation=operation)
            if outcome.kind is not OutcomeKind.RUNNING:
                return outcome
            error = self._job.error() if self._job is not None and self._operation == operation else None
            if error is None:
                code, detail = outcome.error_code or SourceFailed.code, outcome.error_detail or _NOT_ENDED
                return replace(outcome, error_code=code, error_detail=detail)
            return Outcome(OutcomeKind.RUNNING, None, error.code, error.detail, error.params)

    def release(self, *, operation: str, volume: Volume | None = None) -> None:
        """Remove the record of the operation's extraction. Raises `Refused` while it or another one runs."""
        with self._alone(operation, self._at_work if volume is None else self._making):
            if volume is not None:
                volume.release(operation=operation)
            else:
                outcome_release(root=self._root, operation=operation, links=self._links)

    def volume_remove(self, *, operation: str, volume: Volume) -> None:
        """Remove a volume with its files. Raises `Refused` while one is made, or another is removed."""
        with self._alone(operation, self._making):
            volume.remove()

    def settled(self) -> bool:
        """Recover interrupted extractions, and return whether the data is wholly old or wholly new afterwards."""
        if not self._at_work.acquire(blocking=False):
            return False
        try:
            outcomes = extractions_recover(root=self._root, links=self._links)
        except SidecarError:
            return False
        finally:
            self._at_work.release()
        return all(outcome.kind is not OutcomeKind.RUNNING for _, outcome in outcomes)

    def finish(self) -> None:
        """Start no more extractions, cancel one that is staging, and wait for the end of one that exchanges."""
        with self._lock:
            self._finished = True
            job = self._job
        if job is not None:
            job.cancel()
            job.join()

    @contextmanager
    def _alone(self, operation: str, lock: threading.Lock) -> Iterator[None]:
        with self._lock:
            if self._runs(operation):
                raise Refused("The extraction is still running.")
        if not lock.acquire(timeout=_RELEASE_WAITS_SECONDS):
            raise Refused("Another extraction is running.")
        try:
            yield
        finally:
            lock.release()

    def _join_or_start(
        self, call: Call, *, restore: Restore, server: ServerControl, volume: Volume | None
    ) -> tuple[ExtractJob, bool]:
        """The running extraction of the operation, or a new one, and whether it is new."""
        with self._lock:
            if self._job is not None and not self._job.done():
                if (self._operation, self._volume) != (call.operation, volume.name if volume else b""):
                    raise Refused("Another extraction is running.")
                self._followers += 1
                return self._job, False
            return self._start(call.operation, restore=restore, server=server, volume=volume), True

    def _start(self, operation: str, *, restore: Restore, server: ServerControl, volume: Volume | None) -> ExtractJob:
        if self._finished:
            raise ShuttingDown("The sidecar is shutting down.")
        if volume is None:
            self._server.require(server)
        job = ExtractJob(name=f"extracting for {operation}", progress=_NOTHING_YET)
        self._operation, self._job, self._followers = operation, job, 1
        self._volume = volume.name if volume else b""

        def make(folder: Path) -> ExtractSummary:
            return restore(
                root=folder,
                operation=operation,
                on_progress=job.report,
                cancelled=job.cancelled,
                before_exchange=lambda: None,
                weigh=True,
                links=NO_LINKS,
            )

        def extract() -> ExtractSummary:
            if volume is not None:
                with self._making:
                    return volume.make(make, operation=operation)
            with self._server.exchange(server, cancelled=job.cancelled, settled=self.settled) as stop, self._at_work:
                return restore(
                    root=self._root,
                    operation=operation,
                    on_progress=job.report,
                    cancelled=job.cancelled,
                    before_exchange=stop,
                    weigh=False,
                    links=self._links,
                )

        job.start(extract)
        return job

    def _leave(self, call: Call, job: ExtractJob, *, feeds: bool) -> None:
        with self._lock:
            if job is not self._job:
                return
            self._followers -= 1
            if feeds or (self._followers == 0 and not call.superseded()):
                job.cancel()

    def _runs(self, operation: str) -> bool:
        return self._operation == operation and self._job is not None and not self._job.done()


def _done(summary: ExtractSummary) -> ExtractProgress:
    return ExtractProgress(phase=Phase.DONE, bytes_done=summary.bytes, files=summary.files)
