"""`list`: the backups of a place, or the paths of a snapshot."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from collections.abc import Sequence
from typing import Any

from opener.archives import Archive
from opener.errors import Cannot, Exit
from opener.finding import backups_find
from opener.output import note, say, shown, size_shown
from opener.snapshots import Snapshot, snapshot_root
from repository.chunked.manifest.records import Record
from trees.source import Kind

_HEAD = ("NAME", "KIND", "CREATED (UTC)", "SIZE", "ORDER / SERVER / BACKUP", "STATE")
_LABELS = ("order_name", "provision_name", "backup_name")
_KINDS = {Kind.FOLDER: "folder", Kind.SYMLINK: "link", Kind.HARDLINK: "hard link", Kind.SKIPPED: "skipped"}


def listing_run(arguments: Namespace) -> Exit:
    """Print every backup, or every path of one snapshot. Raises `Cannot`, and the errors of storage and formats."""
    if arguments.name is not None:
        return _paths(arguments)
    backups = backups_find(arguments)
    rows = [*map(_archive_row, backups.archives), *map(_snapshot_row, backups.snapshots)]
    if arguments.json:
        for row in rows:
            say(json.dumps(row))
    else:
        _table([_HEAD, *map(_cells, rows)])
    for reason in backups.damaged:
        note(f"damaged: {reason}")
    return Exit.DAMAGED if backups.damaged or any(row["damage"] for row in rows) else Exit.OK


def _archive_row(archive: Archive) -> dict[str, Any]:
    manifest = archive.manifest
    row: dict[str, Any] = {"name": archive.name, "kind": "archive", "key": archive.key, "damage": archive.damage}
    row |= {"size_bytes": archive.size, "stored_bytes": archive.stored_bytes, "created_at": None, "labels": {}}
    if manifest is not None:
        row["created_at"] = manifest.created_at.isoformat()
        names = ("tenant", "order", "provision", "backup", *_LABELS, "consistency", "sha256")
        row["labels"] = {name: str(getattr(manifest, name)) for name in names}
    return row


def _snapshot_row(snapshot: Snapshot) -> dict[str, Any]:
    root = snapshot.root
    row: dict[str, Any] = {"name": snapshot.name, "kind": "snapshot", "damage": snapshot.damage}
    row |= {"repository": str(snapshot.repository.keys.repository), "tenant": str(snapshot.repository.keys.tenant)}
    row |= {"size_bytes": None, "created_at": None, "labels": {}}
    if root is not None:
        row |= {"size_bytes": root.bytes, "created_at": root.created_at, "labels": root.labels}
        row |= {"files": root.files, "skipped": root.skipped, "warnings": root.warnings}
    return row


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    labels = row["labels"]
    named = [labels[name] for name in _LABELS if name in labels] or [f"{name}={labels[name]}" for name in labels]
    created = (row["created_at"] or "?")[:19].replace("T", " ")
    size = "?" if row["size_bytes"] is None else size_shown(row["size_bytes"])
    state = f"damaged: {row['damage']}" if row["damage"] else "ok"
    return row["name"], row["kind"], created, size, shown(" / ".join(named)), state


def _table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _paths(arguments: Namespace) -> Exit:
    backup = backups_find(arguments, [arguments.name]).one(arguments.name)
    if isinstance(backup, Archive):
        raise Cannot("an archive is one file: extract it, and `tar -tf` lists its files")
    snapshot_root(backup)
    for record, _ in backup.repository.manifest(backup.id).files():
        path = os.fsdecode(record.path)
        if arguments.json:
            row = {"path": path, "kind": _KINDS.get(record.kind, "file"), "size_bytes": record.size}
            say(json.dumps(row | {"warning": record.warning}))
            continue
        size = size_shown(record.size) if record.kind is Kind.FILE else _KINDS[record.kind]
        say(f"{size:>12}  {shown(path) or '.'}{_remark(record)}")
    return Exit.OK


def _remark(record: Record) -> str:
    if record.kind is Kind.SKIPPED:
        return f"  (not in the backup: {shown(os.fsdecode(record.target or b''))})"
    return f"  ({shown(record.warning)} while it was read)" if record.warning else ""
