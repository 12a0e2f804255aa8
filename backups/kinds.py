"""The kinds of operations on backups: their work, the right they need, their texts."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from operations.kinds import OperationKind, Words
from operations.models import OperationState
from orders.rights import OrderRight

CREATE = OperationKind(
    name="create",
    run="backups.work.create.create_run",
    unsuccessful="backups.services.endings.create_unsuccessful",
    on_host=True,
    cancel_right=OrderRight.CREATE,
    words=Words(
        title=pgettext_lazy("work on a backup", "Create"),
        running=_("Creating the backup"),
        waits=_("A backup is being created. This is possible again when it has ended."),
        endings={
            OperationState.SUCCEEDED: _("“%(name)s” is ready."),
            OperationState.FAILED: _("“%(name)s” could not be created."),
            OperationState.CANCELLED: _("“%(name)s” was cancelled."),
        },
        problems={
            OperationState.FAILED: _("This backup failed"),
            OperationState.CANCELLED: _("This backup was cancelled"),
        },
    ),
)
RESTORE = OperationKind(
    name="restore",
    run="backups.work.restore.restore_run",
    unsuccessful="backups.services.endings.restore_unsuccessful",
    on_host=True,
    cancel_right=OrderRight.RESTORE,
    words=Words(
        title=pgettext_lazy("work on a backup", "Restore"),
        running=_("Restoring"),
        waits=_("A backup is being restored. This is possible again when it has ended."),
        endings={
            OperationState.SUCCEEDED: _("“%(name)s” was restored."),
            OperationState.FAILED: _("“%(name)s” could not be restored."),
            OperationState.CANCELLED: _("The restore of “%(name)s” was cancelled."),
        },
        problems={
            OperationState.FAILED: _("The restore failed"),
            OperationState.CANCELLED: _("The restore was cancelled"),
        },
    ),
)
UNDO = OperationKind(
    name="undo",
    run="backups.work.restore.restore_run",
    unsuccessful="backups.services.endings.restore_unsuccessful",
    on_host=True,
    cancel_right=OrderRight.RESTORE,
    words=Words(
        title=pgettext_lazy("work on a backup", "Undo of the restore"),
        running=_("Taking the restore back"),
        waits=_("A restore is being taken back. This is possible again when it has ended."),
        endings={
            OperationState.SUCCEEDED: _("The restore of “%(name)s” was undone."),
            OperationState.FAILED: _("The restore of “%(name)s” could not be undone."),
            OperationState.CANCELLED: _("The undo of the restore of “%(name)s” was cancelled."),
        },
        problems={
            OperationState.FAILED: _("The undo failed"),
            OperationState.CANCELLED: _("The undo was cancelled"),
        },
    ),
)
DELETE = OperationKind(
    name="delete",
    run="backups.work.delete.delete_run",
    exclusive=False,
    # Its backup has left every list already.
    attempts=None,
    words=Words(title=pgettext_lazy("work on a backup", "Delete")),
)
REPROVISION = OperationKind(
    name="reprovision",
    run=None,
    cancel_right=OrderRight.RESTORE,
    words=Words(
        title=_("Reprovision"),
        running=_("Reinstalling the server"),
        waits=_("The server is being reinstalled. This is possible again when it has ended."),
    ),
)
VERIFY = OperationKind(
    name="verify",
    run="backups.work.verify.verify_run",
    cancel_right=OrderRight.CREATE,
    exclusive=False,
    words=Words(
        title=pgettext_lazy("work on a backup", "Verification"),
        running=_("Verifying what is stored"),
        endings={
            OperationState.SUCCEEDED: _("“%(name)s” was verified."),
            OperationState.FAILED: _("“%(name)s” could not be verified."),
            OperationState.CANCELLED: _("The verification of “%(name)s” was cancelled."),
        },
        problems={
            OperationState.FAILED: _("The verification did not come to its end"),
            OperationState.CANCELLED: _("The verification was cancelled"),
        },
    ),
)
PRUNE = OperationKind(
    name="prune",
    run="backups.work.prune.prune_run",
    # Staff alone see and cancel it: it belongs to no order.
    cancel_right=OrderRight.DELETE,
    exclusive=False,
    words=Words(title=_("Prune"), running=_("Removing what no backup uses")),
)

KINDS = (CREATE, RESTORE, UNDO, DELETE, REPROVISION, VERIFY, PRUNE)
EXCHANGES = (RESTORE.name, UNDO.name)
"""Names of the kinds that exchange live files. Only the sidecar's journal tells whether they did."""
