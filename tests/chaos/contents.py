"""The content of a backup of either format, read as a customer would get it."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path
from uuid import UUID

from backups.formats.registry import format_of
from backups.models import Backup
from orders.models import BackupFormat
from repository.checkpoint import go_on
from repository.chunked.restoring.restore import snapshot_restore
from tests.chaos.trees import Tree, alike, difference, holes_lost, tree_read, tree_stored, tree_unpack
from vault.errors import ArchiveDamagedError
from vault.models import Asset
from vault.services.opening import asset_open
from vault.services.repositories import repository_errors, repository_get, snapshot_of
from wire.listing import Listing


def is_snapshot(backup: Backup) -> bool:
    """Whether a backup is of the repository format, which keeps attributes and holes."""
    return backup.format == BackupFormat.REPOSITORY


def content_read(backup: UUID, *, folder: Path) -> Tree:
    """The tree in a backup; a snapshot is restored into a new folder in `folder`, which is removed again.

    Raises ArchiveDamagedError when a part of it is damaged, and ValueError when an archive is not what its row says.
    """
    asset = Asset.objects.select_related("repository__customer", "repository__target").get(backup=backup)
    if asset.repository is not None:
        return _snapshot_read(asset, folder)
    content = b"".join(asset_open(asset).read())
    if (len(content), hashlib.sha256(content).hexdigest()) != (asset.size_bytes, asset.sha256):
        raise ValueError("the bytes are others")
    return tree_unpack(content)


def _snapshot_read(asset: Asset, folder: Path) -> Tree:
    assert asset.repository is not None
    repository = repository_get(asset.repository)
    target = folder / "restored"
    try:
        with repository_errors():
            report = snapshot_restore(
                repository, snapshot=snapshot_of(asset), target=target, special_bits=True, durable=False, threads=1
            )
        if report.failed:
            raise ArchiveDamagedError
        return {path: replace(entry, bar="") for path, entry in tree_read(target).items()}
    finally:
        shutil.rmtree(target, ignore_errors=True)


def left_out(backup: Backup) -> set[bytes]:
    """The paths that a backup says it left out."""
    return {entry.path for entry in Listing(format_of(backup).listing(backup, checkpoint=go_on)).left_out()}


def content_wrong(found: Tree, captured: Tree, *, snapshot: bool) -> str:
    """How the content of a backup is not the tree that it was made of, in words; empty when it is."""
    expected = tree_stored(captured)
    if not alike(found, expected, xattrs=snapshot):
        return difference(found, expected)
    holes = holes_lost(found, expected) if snapshot else []
    return f"{holes} are not sparse any more" if holes else ""
