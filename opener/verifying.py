"""`verify`: checks that backups are byte for byte as stored."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID

from opener.archives import Archive, archive_content
from opener.errors import Exit
from opener.finding import Backups, backups_find
from opener.output import Progress, Status, note, say, shown
from opener.snapshots import Snapshot
from repository.chunked.maintenance.coverage import Coverage
from repository.chunked.maintenance.verify import repository_verify
from repository.chunked.maintenance.verify_report import SnapshotReport, VerifyReport
from repository.chunked.repository import Repository
from repository.sealing.frames import SealError
from repository.storage import Storage

LOST_SHOWN: Final = 20


def verify_run(arguments: Namespace) -> Exit:
    """Read the backups and print a line for each. Raises `Cannot`, and the errors of storage and formats."""
    backups = backups_find(arguments, arguments.names)
    chosen = _chosen(backups, arguments.names)
    damaged = 0
    for archive in chosen:
        if isinstance(archive, Archive):
            damaged += _told(archive.name, _archive_verify(backups.storage, archive))
    snapshots = [backup for backup in chosen if isinstance(backup, Snapshot)]
    damaged += _snapshots_verify(snapshots, coverage=_coverage(arguments), named=bool(arguments.names))
    for reason in backups.damaged:
        damaged += _told("", reason)
    note(f"{damaged} damaged" if damaged else "nothing is damaged")
    return Exit.DAMAGED if damaged else Exit.OK


def _chosen(backups: Backups, names: Sequence[str]) -> list[Archive | Snapshot]:
    if names:
        return [backups.one(name) for name in names]
    return [*backups.archives, *backups.snapshots]


def _coverage(arguments: Namespace) -> Coverage:
    return Coverage.full() if arguments.data else Coverage.structure()


def _told(name: str, damage: str | None) -> bool:
    """Print the result of one backup; return whether it is damaged."""
    say(f"{name}  {f'damaged: {damage}' if damage else 'ok'}".lstrip())
    return damage is not None


def _archive_verify(storage: Storage, archive: Archive) -> str | None:
    """Read the whole archive; return its damage, or None."""
    if archive.damage:
        return archive.damage
    progress = Progress(f"verify {archive.name}", archive.size)
    try:
        for piece in archive_content(storage, archive):
            progress.add(len(piece))
    except SealError as error:
        return str(error)
    finally:
        progress.close()
    return None


def _snapshots_verify(snapshots: Sequence[Snapshot], *, coverage: Coverage, named: bool) -> int:
    """Verify the repositories of these snapshots; return the number of damages. Without names, other damage counts."""
    damaged = 0
    for repository in {_id(snapshot): snapshot.repository for snapshot in snapshots}.values():
        chosen = {snapshot.id for snapshot in snapshots if _id(snapshot) == repository.keys.repository}
        report = _repository_verify(repository, coverage)
        hurt = 0
        for found in report.snapshots:
            if found.snapshot in chosen:
                hurt += _told(found.snapshot.hex(), _damage(found))
                _lost_tell(found)
        for key, reasons in sorted(report.damaged.items()):
            say(f"repository {repository.keys.repository}: {key}: {'; '.join(reasons)}")
        damaged += hurt or (bool(report.damaged) and not named)
    return damaged


def _id(snapshot: Snapshot) -> UUID:
    return snapshot.repository.keys.repository


def _repository_verify(repository: Repository, coverage: Coverage) -> VerifyReport:
    steps = Status(f"verify {repository.keys.repository}")
    try:
        return repository_verify(
            repository,
            coverage=coverage,
            progress=lambda at: steps.tell(
                f"{at.packs} of {at.packs_total} packs, {at.snapshots} of {at.snapshots_total} snapshots"
            ),
        )
    finally:
        steps.close()


def _damage(found: SnapshotReport) -> str | None:
    if found.whole:
        return None
    if found.reason is not None:
        return found.reason
    return f"{len(found.lost)} of {found.files} files are lost, {len(found.ranges)} parts of the list of files"


def _lost_tell(found: SnapshotReport) -> None:
    lost = [*_lines(found)]
    for line in lost[:LOST_SHOWN]:
        say(f"    {line}")
    if len(lost) > LOST_SHOWN:
        say(f"    and {len(lost) - LOST_SHOWN} more")


def _lines(found: SnapshotReport) -> Iterator[str]:
    for part in found.ranges:
        until = "the end" if part.until is None else shown(os.fsdecode(part.until))
        yield f"from {shown(os.fsdecode(part.first))} to {until}: {part.reason}"
    for file in found.lost:
        yield f"{shown(os.fsdecode(file.path))}: {file.reason}"
