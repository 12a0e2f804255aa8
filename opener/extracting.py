"""`extract`: an archive becomes a file, a snapshot a folder of files."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path
from typing import Final

from opener.archives import Archive, archive_content
from opener.errors import Cannot, Exit
from opener.finding import backups_find
from opener.output import Progress, file_appears, note, say, shown, size_shown
from opener.snapshots import Snapshot, snapshot_root
from repository.archive.object_keys import archive_format
from repository.chunked.restoring.restore import FailureReason, snapshot_restore
from repository.storage import Storage

NAME_SHORT: Final = 12
_REASONS: Final = {
    FailureReason.DAMAGED: "damaged in storage",
    FailureReason.COMPANION: "it belongs together with a file that cannot be replaced",
}


def extract_run(arguments: Namespace) -> Exit:
    """Write one backup to its destination. Raises `Cannot`, and the errors of storage and formats."""
    backups = backups_find(arguments, [arguments.name])
    backup = backups.one(arguments.name)
    if isinstance(backup, Archive):
        return _archive_extract(backups.storage, backup, arguments)
    return _snapshot_extract(backup, arguments)


def _archive_extract(storage: Storage, archive: Archive, arguments: Namespace) -> Exit:
    """Write the archive's file; it gets its name only after size and SHA-256 were verified."""
    if arguments.paths:
        raise Cannot("an archive is extracted whole, as one file; `tar -xf FILE PATH` takes a path out of it")
    name = f"backup-{archive.name}.{archive_format(archive.key)}"
    path = Path(arguments.to or name)
    if path.is_dir():
        path /= name
    size = archive.size or 0
    progress = Progress("extract", archive.size)
    with file_appears(path, force=arguments.force, size=size, keep_damaged=arguments.keep_damaged) as file:
        try:
            for piece in archive_content(storage, archive):
                file.write(piece)
                progress.add(len(piece))
        finally:
            progress.close()
    say(f"{path}: {size_shown(path.stat().st_size)}, {_vouched(archive)}")
    if archive.damage:
        note(f"damaged: {archive.damage}")
    return Exit.DAMAGED if archive.damage else Exit.OK


def _vouched(archive: Archive) -> str:
    if archive.manifest is not None:
        return "size and SHA-256 are right"
    return "every frame is as it was sealed" if archive.sealed else "nothing tells whether it is right"


def _snapshot_extract(snapshot: Snapshot, arguments: Namespace) -> Exit:
    """Write the snapshot's files, or the paths that were named, below a folder that is empty or new unless forced."""
    root = snapshot_root(snapshot)
    folder = Path(arguments.to or f"backup-{snapshot.name[:NAME_SHORT]}")
    if not arguments.force and os.path.lexists(folder) and (not folder.is_dir() or any(folder.iterdir())):
        raise Cannot(f"{folder} is there already and holds something; --force writes into it")
    progress = Progress("extract", None)
    try:
        report = snapshot_restore(
            snapshot.repository,
            snapshot=snapshot.id,
            target=folder,
            paths=[os.fsencode(path.strip("/")) for path in arguments.paths] or None,
            progress=lambda done: progress.at(done.bytes_done, done.bytes_total),
        )
    finally:
        progress.close()
    say(f"{folder}: {report.files_written} files, {size_shown(report.bytes_written)}; {report.files_kept} were there")
    if report.owners_left:
        note(f"{report.owners_left} owners were not set: only root can")
    if root.skipped:
        note(f"{root.skipped} entries could not be read when the backup was made; `list {snapshot.name}` names them")
    for path, reason in report.failed:
        note(f"not extracted: {shown(os.fsdecode(path))}: {_REASONS.get(reason, reason.replace('_', ' '))}")
    if any(reason is FailureReason.DAMAGED for _, reason in report.failed):
        return Exit.DAMAGED
    return Exit.CANNOT if report.failed else Exit.OK
