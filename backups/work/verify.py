"""The verification of a repository, and of one backup of either format."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import transaction
from django.db.models import F

from accounts.services.audit import audit_record
from backups.errors import BackupNotFound
from backups.models import Backup, Depth
from backups.services.proof import Verified, snapshot_verified, verified_record
from backups.services.roles import operation_subject
from backups.services.stored import backups_by_snapshot, snapshots_unverified
from backups.services.upkeep import SHARES, operation_repository
from backups.trials.run import trial_restore
from operations.models import Operation
from operations.services.operations import operation_result
from operations.work.lease import FenceLost, Lease, operation_succeeds
from repository.chunked.maintenance.coverage import Coverage
from repository.chunked.maintenance.verify import repository_verify
from repository.chunked.maintenance.verify_report import SnapshotReport, VerifyProgress, VerifyReport
from repository.chunked.objects import SNAPSHOTS
from repository.chunked.repository import Repository as OpenRepository
from repository.storage import ObjectNotFound
from vault.errors import ArchiveDamagedError, RepositoryUnknownError
from vault.models import Asset, Repository
from vault.services.opening import asset_open
from vault.services.repositories import repository_errors, repository_find, repository_get, snapshot_of

SAMPLE_BYTES = 32 << 20
"""The files that the sample of one new backup reads."""
SHOWN_SECONDS = 2.0
PROBLEMS_KEPT = 100


def verify_run(operation: Operation, lease: Lease) -> None:
    """Verify the operation's repository, or its backup, as deeply as its params say.

    Damage is a result and no failure. A storage or a key that is not there fails the operation and says nothing of what
    is stored.
    """
    depth = Depth(operation.params["depth"])
    if operation.order_id is not None:
        backup = operation_subject(operation)
        _finish(operation, _backup(backup, depth, operation, lease), about=backup.id)
        return
    row = operation_repository(operation)
    result = _Repository(operation, lease, row, depth).run()
    _finish(operation, result, about=row.id, shares=int(depth is Depth.SHARE))


def _finish(operation: Operation, result: dict[str, int], *, about: UUID, shares: int = 0) -> None:
    with transaction.atomic():
        if not operation_result(operation=operation, done=result):
            raise FenceLost
        with operation_succeeds(operation):
            if shares:
                Repository.objects.filter(id=about).update(shares_read=F("shares_read") + shares)
            audit_record(
                actor=operation.requested_by, action="verify.succeeded", order_id=operation.order_id, object_id=about,
                **result,
            )  # fmt: skip


class _Repository:
    """The verification of a whole repository, or of its new snapshots."""

    def __init__(self, operation: Operation, lease: Lease, row: Repository, depth: Depth) -> None:
        self._operation = operation
        self._lease = lease
        self._row = row
        self._depth = depth
        self._shown = 0.0

    def run(self) -> dict[str, int]:
        """Verify, and store the result on every backup. Return it in numbers."""
        only = snapshots_unverified(self._row) if self._depth is Depth.SAMPLE else None
        known = backups_by_snapshot(self._row)
        began = time.monotonic()
        with _lost_repository(known, self._depth):
            repository = repository_find(self._row, checkpoint=self._lease.checkpoint)
        if repository is None or only == frozenset():
            return {}
        with repository_errors():
            report = repository_verify(
                repository,
                coverage=self._coverage(),
                only=only,
                progress=self._progress,
                checkpoint=self._lease.checkpoint,
            )
            gone = frozenset(known if only is None else only) - {found.snapshot for found in report.snapshots}
            report.snapshots += _absent(repository, gone)
        seconds = time.monotonic() - began
        degraded = 0
        for found in report.snapshots:
            self._lease.checkpoint()
            if found.snapshot in known and not found.later:
                result = snapshot_verified(found, depth=self._depth, seconds=seconds)
                degraded += not verified_record(known[found.snapshot], result)
        return self._numbers(report, degraded)

    def _coverage(self) -> Coverage:
        if self._depth is Depth.SHARE:
            return Coverage.share(self._row.shares_read, SHARES)
        return _COVERAGES[self._depth]

    def _progress(self, done: VerifyProgress) -> None:
        now = time.monotonic()
        if now - self._shown < SHOWN_SECONDS:
            return
        self._shown = now
        self._lease.phase("packs" if done.packs < done.packs_total else "snapshots")
        numbers = {
            "packs": done.packs,
            "packs_total": done.packs_total,
            "snapshots": done.snapshots,
            "snapshots_total": done.snapshots_total,
        }
        if not operation_result(operation=self._operation, progress=numbers):
            raise FenceLost

    def _numbers(self, report: VerifyReport, degraded: int) -> dict[str, int]:
        problems = [{"object": key, "problems": said} for key, said in sorted(report.damaged.items())]
        if problems and not operation_result(operation=self._operation, problems=problems[:PROBLEMS_KEPT]):
            raise FenceLost
        return {
            "snapshots": len(report.snapshots),
            "degraded": degraded,
            "packs": report.packs,
            "packs_read": report.packs_read,
            "read_bytes": report.bytes_read,
            "orphan_packs": report.orphan_packs,
            "damaged_objects": len(report.damaged),
        }


_COVERAGES = {
    Depth.SAMPLE: Coverage.files(SAMPLE_BYTES),
    Depth.STRUCTURE: Coverage.structure(),
    Depth.DATA: Coverage.full(),
}


@contextmanager
def _lost_repository(known: dict[bytes, Backup], depth: Depth) -> Iterator[None]:
    """Mark every backup of a repository that does not open because of damage."""
    try:
        yield
    except ArchiveDamagedError as error:
        reason = str(error.__cause__ or error)
        for snapshot, backup in known.items():
            report = SnapshotReport(snapshot, reason=reason)
            verified_record(backup, snapshot_verified(report, depth=depth, seconds=0))
        raise


def _absent(repository: OpenRepository, snapshots: frozenset[bytes]) -> list[SnapshotReport]:
    """Reports on the snapshots that were not listed, and are really not there."""
    found = []
    for snapshot in sorted(snapshots):
        try:
            repository.objects.storage.size(repository.objects.path(SNAPSHOTS, snapshot))
        except ObjectNotFound:
            found.append(SnapshotReport(snapshot, reason="the snapshot is not in its storage"))
    return found


def _backup(backup: Backup, depth: Depth, operation: Operation, lease: Lease) -> dict[str, int]:
    asset = Asset.objects.select_related("target", "customer", "repository__customer", "repository__target").get(
        backup=backup
    )
    began = time.monotonic()
    if depth is Depth.RESTORE:
        result = trial_restore(backup, operation, lease)
    elif asset.repository is None:
        result = _archive(asset, depth, lease)
    else:
        report = _snapshot(asset.repository, snapshot_of(asset), backup, depth, lease)
        result = snapshot_verified(report, depth=depth, seconds=time.monotonic() - began)
    whole = verified_record(backup, result)
    return {**result.counted, "degraded": int(not whole)}


def _snapshot(row: Repository, snapshot: bytes, backup: Backup, depth: Depth, lease: Lease) -> SnapshotReport:
    coverage = Coverage.files() if depth is Depth.DATA else _COVERAGES[depth]
    lease.phase("snapshots")
    with _lost_repository({snapshot: backup}, depth):
        repository = repository_get(row, checkpoint=lease.checkpoint)
    with repository_errors():
        report = repository_verify(
            repository, coverage=coverage, only=frozenset([snapshot]), checkpoint=lease.checkpoint
        )
        found = report.snapshots or _absent(repository, frozenset([snapshot]))
    if not found:
        # It was deleted meanwhile, or a listing lacks it that comes back with it.
        raise BackupNotFound
    if found[0].later:
        raise RepositoryUnknownError
    return found[0]


def _archive(asset: Asset, depth: Depth, lease: Lease) -> Verified:
    """Read an archive, or its first and its last part; a sample reads more of its first part."""
    size, _ = asset.measured()
    first = SAMPLE_BYTES if depth is Depth.SAMPLE else 1
    parts = [(0, size)] if depth is Depth.DATA else [(0, min(first, size)), (max(0, size - 1), size)]
    total = sum(stop - start for start, stop in parts)
    began, done, damaged = time.monotonic(), 0, False
    try:
        reader = asset_open(asset, checkpoint=lease.checkpoint)
        for start, stop in parts:
            for piece in reader.read(start, stop):
                lease.checkpoint()
                done += len(piece)
                lease.progress(bytes_done=done, bytes_total=total, phase="reading")
    except ArchiveDamagedError:
        damaged = True
    return Verified(
        depth=depth,
        seconds=time.monotonic() - began,
        counted={"read_bytes": done},
        files=None if damaged else 0,
    )
