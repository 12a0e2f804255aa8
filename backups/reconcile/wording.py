"""Findings as sentences, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import TextChoices
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from backups.models import Finding
from backups.services.damage import READ_DAMAGED, SNAPSHOT_DAMAGED


class Code(TextChoices):
    """The codes of findings. The label is the sentence, filled with the params of the finding."""

    ARCHIVE_MISSING = "archive_missing", _("The archive of this backup is not in its storage.")
    ARCHIVE_SIZE = (
        "archive_size",
        _("The archive of this backup has %(found)s bytes in its storage, and should have %(expected)s."),
    )
    ARCHIVE_DAMAGED = "archive_damaged", _("The archive of this backup cannot be opened: its bytes were changed.")
    ARCHIVE_READ_DAMAGED = (
        READ_DAMAGED,
        _("The archive of this backup was read, and it is missing or its bytes are not those that were stored."),
    )
    SNAPSHOT_DAMAGED = (
        SNAPSHOT_DAMAGED,
        _("Files of this backup cannot be restored: what is stored of them is damaged or missing."),
    )
    MANIFEST_MISSING = (
        "manifest_missing",
        _("The manifest beside the archive is missing. The backup restores, but no rebuild from the storage finds it."),
    )
    LISTING_MISSING = (
        "listing_missing",
        _("The listing beside the archive is missing or incomplete. The backup restores, but shows no preview."),
    )
    CREATING_ALONE = "creating_alone", _("The backup is shown as being created, and no operation creates it.")
    RESTORING_ALONE = "restoring_alone", _("The backup is shown as being restored, and no operation restores it.")
    DELETE_LOST = "delete_lost", _("The backup was deleted by its customer, and no operation removes it.")
    STATUS_BEHIND = "status_behind", _("An operation creates or restores this backup, and its status does not say so.")
    CONSTRAINT_MISSING = (
        "constraint_missing",
        _("The database does not enforce one active operation an order: its unique index is missing or not valid."),
    )
    ACTIVE_TWICE = "active_twice", _("%(count)s exclusive operations are active on this order at once.")
    HEARTBEAT_STANDING = (
        "heartbeat_standing",
        _("The operation is shown as running, and its heartbeat stood still for a whole lease."),
    )
    OPERATION_OVERDUE = "operation_overdue", _("The operation has been running for more than 24 hours.")
    OPERATION_UNCLAIMED = "operation_unclaimed", _("No worker has taken this operation for more than 24 hours.")
    HOLD_EXPIRED = "hold_expired", _("The hold of a reprovision has expired and still keeps backups from beginning.")
    LIMIT_EXCEEDED = (
        "limit_exceeded",
        _("This server has %(count)s backups, and its plan keeps %(limit)s. None is deleted for that."),
    )
    SAFETY_EXPIRED = "safety_expired", _("The time of this safety backup is over, and it is still there.")
    OBJECT_UNOWNED = (
        "object_unowned",
        _("An unfinished archive lies in this storage, and no row of the database owns it."),
    )
    ARCHIVE_UNOWNED = (
        "archive_unowned",
        _(
            "A whole archive with its manifest lies in this storage, and no row of the database knows it. "
            "Was the database brought back from an older state? Nothing deletes it."
        ),
    )
    OBJECT_FOREIGN = (
        "object_foreign",
        _("An object that Savepoint did not name lies among the archives. Nothing deletes it."),
    )
    OWNER_GONE = "owner_gone", _("An archive is kept in this storage for a backup that no longer exists.")
    ASSET_ALONE = "asset_alone", _("A download is kept whose backup no longer exists.")
    OWNER_MISSING = (
        "owner_missing",
        _("No row owns the archive of this backup in its storage: a delete would leave it there."),
    )
    OUTCOME_UNKNOWN = (
        "outcome_unknown",
        _("This operation ended after it began to exchange files, and its sidecar never said how that came out."),
    )


REMEDIES: Mapping[str, str | Promise] = {
    Code.ARCHIVE_MISSING: _("The backup is marked as degraded until its archive is found right again."),
    Code.ARCHIVE_SIZE: _("The backup is marked as degraded until its archive is found right again."),
    Code.ARCHIVE_DAMAGED: _("The backup is marked as degraded until its archive is found right again."),
    Code.ARCHIVE_READ_DAMAGED: _(
        "The backup is marked as degraded until a restore or reconcile --deep has read all of it and it is right."
    ),
    Code.SNAPSHOT_DAMAGED: _(
        "The backup is marked as degraded until a verification finds it whole. The next backup stores damaged content "
        "again, where the server still has it."
    ),
    Code.CREATING_ALONE: _("The backup becomes “Failed”; what was stored of it is deleted."),
    Code.RESTORING_ALONE: _("The backup becomes “Ready” again."),
    Code.DELETE_LOST: _("A new operation removes it."),
    Code.HEARTBEAT_STANDING: _("The operation is queued again, or ended after three attempts."),
    Code.OPERATION_OVERDUE: _("The operation is ended as timed out, unless it may have begun to exchange files."),
    Code.HOLD_EXPIRED: _("The hold is released."),
    Code.OBJECT_UNOWNED: _("It is deleted, once it was seen for 24 hours."),
    Code.OWNER_GONE: _("It is deleted."),
    Code.ASSET_ALONE: _("The download is removed; its archive follows."),
    Code.OWNER_MISSING: _("The row is written."),
}
"""The repair of each code. A code without one is left to people."""


def finding_sentence(finding: Finding) -> str:
    """The sentence for a finding. A code or params of another release read as the code itself."""
    try:
        sentence: str = str(Code(finding.code).label) % finding.params
    except (KeyError, TypeError, ValueError):
        return finding.code
    return sentence


def finding_remedy(finding: Finding) -> str:
    """The repair of a finding in words, or an empty text when people decide."""
    return str(REMEDIES.get(finding.code, ""))
