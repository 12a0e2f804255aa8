"""The results of verifications on backups: proof, damage and its healing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from backups.models import Backup, Depth
from backups.services.damage import READ_DAMAGED, SNAPSHOT_DAMAGED, damage_healed, damage_note
from common.clock import database_now
from common.locks import row_lock
from common.paths import path_parsed, path_text
from common.states import compare_and_set
from orders.models import BackupFormat
from repository.chunked.maintenance.verify_report import SnapshotReport
from repository.chunked.maintenance.verify_snapshots import CONTENT_DIFFERS
from vault.errors import ArchiveDamagedError

DAMAGED_KEPT = 100
"""So many damaged files of a backup are kept by name."""
THOROUGH = frozenset({Depth.DATA, Depth.RESTORE})
"""The depths that read all data."""
NAMED = 3
"""So many of them are named by a refusal, and by a proof."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """The result for one backup. files, kept: number and first of the damaged files; files is None when none is whole.

    content: the damage is one that only a verification of all data finds. counted: what was looked at.
    """

    depth: Depth
    seconds: float
    counted: dict[str, int]
    files: int | None = 0
    kept: tuple[tuple[bytes, str], ...] = ()
    content: bool = False

    @property
    def whole(self) -> bool:
        """Whether no damage was found."""
        return self.files == 0


def snapshot_verified(report: SnapshotReport, *, depth: Depth, seconds: float) -> Verified:
    """The result for the backup of a snapshot."""
    damage = list(_damage(report))
    return Verified(
        depth=depth,
        seconds=seconds,
        counted={"files": report.files},
        files=None if report.reason is not None else len(damage),
        kept=tuple(damage[:DAMAGED_KEPT]),
        content=any(reason == CONTENT_DIFFERS for _, reason in damage),
    )


def _damage(report: SnapshotReport) -> Iterator[tuple[bytes, str]]:
    if report.reason is not None:
        yield b"", report.reason
    yield from ((found.path, found.reason) for found in report.lost)
    for gap in report.ranges:
        until = f"up to {path_text(gap.until)}" if gap.until is not None else "to the end"
        yield gap.first, f"this and all that follows, {until}: {gap.reason}"


def verified_record(backup: Backup, result: Verified) -> bool:
    """Store a result on its backup, mark it or take the mark away; return whether it is whole as far as is known.

    A backup that was deleted, or stored anew, meanwhile is left as it is. The proof of a test restore stays beside
    lesser verifications that find no damage.
    """
    with transaction.atomic():
        same = Backup.objects.filter(id=backup.id, asset=backup.asset_id, deleted_at__isnull=True)
        current = row_lock(same)
        if current is None:
            return result.whole
        now = database_now()
        proof = {
            "depth": result.depth.value,
            "at": now.isoformat(),
            "seconds": round(result.seconds, 3),
            "counted": result.counted,
            "ok": result.whole,
            "damaged": _named(result.kept[:NAMED]),
        }
        rows = Backup.objects.filter(id=backup.id)
        archive = current.format == BackupFormat.ARCHIVE
        read = {"read_at": now} if result.depth in THOROUGH else {}
        if not result.whole:
            # An archive restores as a whole or not at all: there is nothing to name.
            compare_and_set(rows, proof=proof, proven_at=None, damaged=None if archive else _damaged(result), **read)
            damage_note(current, code=READ_DAMAGED if archive else SNAPSHOT_DAMAGED, files=result.files or 0)
            return False
        thorough = archive or bool(current.damaged and current.damaged.get("content"))
        if current.degraded and thorough and result.depth not in THOROUGH:
            # Only as thorough a look as the one that found this damage can take it back.
            return False
        values: dict[str, Any] = {"damaged": None, "verified_at": now, **read}
        if result.depth is Depth.RESTORE:
            values["proven_at"] = now
        if result.depth is Depth.RESTORE or current.proven_at is None:
            values["proof"] = proof
        compare_and_set(rows, **values)
        damage_healed(current)
        return True


def _damaged(result: Verified) -> dict[str, Any]:
    return {"files": result.files, "paths": _named(result.kept), "content": result.content}


def _named(kept: Iterable[tuple[bytes, str]]) -> list[dict[str, str]]:
    return [{"path": path_text(path), "reason": reason} for path, reason in kept]


def whole_require(backup: Backup, paths: Collection[bytes] = ()) -> None:
    """Raise ArchiveDamagedError, with the first damaged files, for a backup with files that cannot be restored.

    paths: only these, and what is below them, are to be restored. Of damage beyond the files that are kept by name,
    the restore finds out by itself.
    """
    damaged = backup.damaged
    if not damaged:
        return
    if not damaged["files"]:
        raise ArchiveDamagedError
    hit = [found for found in damaged["paths"] if not paths or _is_within(path_parsed(found["path"]), paths)]
    if not hit:
        return
    named = ", ".join(found["path"] for found in hit[:NAMED])
    raise ArchiveDamagedError(files=len(hit) if paths else damaged["files"], paths=named)


def _is_within(path: bytes, chosen: Collection[bytes]) -> bool:
    return any(path == root or path.startswith(root + b"/") for root in chosen)
