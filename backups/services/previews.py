"""Previews: the sidecar reports the changes of a restore, and nothing is written."""

from __future__ import annotations

from uuid import uuid4

from accounts.models import User
from backups.errors import ArchiveRefusedError, PreviewUnavailable
from backups.formats.registry import format_of
from backups.models import Backup
from backups.rules import Rules
from backups.services.sidecars import sidecar_open
from operations.errors import StatusConflict
from provisions.models import Provision
from provisions.selectors import provision_sidecar
from repository.checkpoint import go_on
from sidecar_client.values import RestorePreview
from vault.errors import ArchiveDamagedError
from wire.enums import Mode

PATHS_A_PAGE = 100


def backup_preview(
    *,
    user: User,
    backup: Backup,
    server: Provision,
    mode: Mode,
    paths: tuple[bytes, ...] = (),
    paths_after: bytes = b"",
    paths_limit: int = PATHS_A_PAGE,
) -> tuple[RestorePreview, bool]:
    """The paths that a restore would add, change and remove, and whether the caller may see them.

    Backup and server are such as the caller was found to see. Without the right to read the data the preview names no
    path. Raises PermissionDenied, StatusConflict when there is nothing to restore, PreviewUnavailable,
    NotAPrimaryDeployment, NoSidecar, SidecarUnavailableError and what else a sidecar or a storage fails with.
    """
    names = Rules(user=user, order=server.order).preview_require()
    if backup.asset is None:
        raise StatusConflict(status=backup.get_status_display())
    sidecar = provision_sidecar(server)
    try:
        listing = format_of(backup).listing(backup, checkpoint=go_on)
        # A preview has no operation: the fence 0 is stored nowhere.
        with sidecar_open(sidecar=sidecar, operation_id=uuid4(), fence=0) as client:
            preview = client.restore_preview(
                listing=listing,
                mode=mode,
                paths=paths,
                paths_limit=paths_limit if names else 0,
                paths_after=paths_after,
                cancelled=lambda: False,
            )
    except (ArchiveDamagedError, ArchiveRefusedError) as error:
        # The content was not read: the listing is missing or damaged.
        raise PreviewUnavailable from error
    return preview, names
