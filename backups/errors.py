"""Failures of backups: those a request meets, and those an operation ends with."""

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from common.errors import ApplicationError, NotFound


class BackupNotFound(NotFound):
    """The backup does not exist, is not of that server, or the caller may not see it."""

    code, title = "backup_not_found", _("Backup not found")
    message = _("There is no such backup, or it was deleted.")


class AssetNotFound(NotFound):
    """The asset does not exist, or the caller may not see it."""

    code, title = "asset_not_found", _("Download not found")
    message = _("There is nothing to download here, or the backup was deleted.")


class OperationInProgress(ApplicationError):
    """Another exclusive operation is active on the order; `operation` is its id."""

    code, status, title = "operation_in_progress", 409, _("Operation in progress")
    message = _(
        "Another operation (%(operation)s) is running on this order. Nothing was changed. Wait until it has ended."
    )


class LimitReached(ApplicationError):
    """The plan keeps no more backups of this server; `limit` is how many it keeps."""

    code, status, title = "limit_reached", 409, _("Limit reached")
    message = ngettext_lazy(
        "Your plan keeps %(limit)s backup of this server, and it exists. Nothing was changed. Delete it first.",
        "Your plan keeps %(limit)s backups of this server, and they all exist. Nothing was changed. Delete one first.",
        "limit",
    )


class BackupLocked(ApplicationError):
    """A locked backup is not deleted."""

    code, status, title = "backup_locked", 409, _("Backup is locked")
    message = _("This backup is locked against deletion. Nothing was changed. Unlock it first.")


class BackupCollapsed(ApplicationError):
    """The backup is of a server that had lost most of its files, and nobody said that this is wanted."""

    code, status, title = "backup_collapsed", 409, _("Backup of a collapsed server")
    message = _(
        "The server had lost most of its files when this backup was made, and a restore would bring that back. Nothing "
        "was changed. Restore an earlier backup, or say with accept_collapsed that you want this one."
    )


class NothingToUndo(ApplicationError):
    """The newest restore of the server is not of this backup, was undone, or its safety backup is gone."""

    code, status, title = "nothing_to_undo", 409, _("Nothing to undo")
    message = _(
        "There is no restore of this backup that can be taken back: it was undone, another one came after it, or its "
        "safety backup is gone. Nothing was changed."
    )


class PreviewUnavailable(ApplicationError):
    """The backup has no listing to compare with."""

    code, status, title = "preview_unavailable", 409, _("No preview")
    message = _(
        "What a restore of this backup would change cannot be shown: it was stored without a list of its files. "
        "Nothing was changed. It can be restored all the same."
    )


class SidecarUnavailableError(ApplicationError):
    """The sidecar cannot be reached, or the connection broke."""

    code, status, title = "sidecar_unavailable", 503, _("Server not reachable")
    message = _("The backup agent beside your server could not be reached. Your data was not changed. Try again later.")


class SidecarRefused(ApplicationError):
    """The sidecar refused what it was asked."""

    code, status, title = "sidecar_refused", 502, _("Refused by the server")
    message = _(
        "The backup agent beside your server refused the request. Your data was not changed. Please ask support."
    )


class ScratchFullError(ApplicationError):
    """The sidecar's scratch disk has no room left."""

    code, status, title = "scratch_full", 507, _("Temporary disk full")
    message = _("The temporary disk beside your server is full. Nothing was changed. Please ask your host.")


class ServerNotStopped(ApplicationError):
    """The game server was to be stopped for the restore, and could not be."""

    code, status, title = "server_not_stopped", 502, _("Server not stopped")
    message = _(
        "The game server could not be stopped for the restore. Your files were not changed. Stop it yourself and try "
        "again, or let it run."
    )


class NotEnoughSpaceError(ApplicationError):
    """The server's disk has no room to stage the restore, which needs `needed_bytes` where `free_bytes` are left."""

    code, status, title = "not_enough_space", 507, _("Not enough space")
    message = _(
        "Your server's disk has too little free space for the restore: it needs %(needed_bytes)s and %(free_bytes)s "
        "are free. Nothing was changed. Free some space first."
    )
    instead = {
        "needed_files": _(
            "Your server's disk cannot hold as many files as the restore needs: %(needed_files)s, where %(free_files)s "
            "more can be made. Nothing was changed. Remove some files first, or ask your host."
        )
    }
    bare = _(
        "Your server's disk has too little free space for the restore. Nothing was changed. Free some space first."
    )


class ArchiveRefusedError(ApplicationError):
    """The archive holds what must not be restored."""

    code, status, title = "archive_refused", 409, _("Backup refused")
    message = _(
        "The backup contains entries that are not safe to restore. Your server was not changed. Please ask support."
    )


class SourceFailed(ApplicationError):
    """The server's files could not be read or written as a whole."""

    code, status, title = "source_failed", 502, _("Server files not accessible")
    message = _(
        "The files of your server could not be read or written. No existing data was lost. Please ask your host."
    )
