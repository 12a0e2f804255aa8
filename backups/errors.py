"""Failures of backups: those a request meets, and those an operation ends with."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from common.errors import ApplicationError, NotFound
from wire.errors import ErrorCode


class BackupNotFound(NotFound):
    """The backup does not exist, is not of that server, or the caller may not see it."""

    code, title = "backup_not_found", _("Backup not found")
    message = _("There is no such backup, or it was deleted.")


class AssetNotFound(NotFound):
    """The asset does not exist, or the caller may not see it."""

    code, title = "asset_not_found", _("Download not found")
    message = _("There is nothing to download here, or the backup was deleted.")


class PathNotFound(NotFound):
    """The backup has nothing at a path."""

    code, title = "path_not_found", _("Path not found")
    message = _("There is no such file or folder in the backup.")


class OperationInProgress(ApplicationError):
    """Another exclusive operation is active on the order; `operation` is its id."""

    code, status, title = "operation_in_progress", 409, _("Operation in progress")
    message = _(
        "Another operation (%(operation)s) is running on this order. Nothing was changed. Wait until it has ended."
    )
    instead = {
        "repository": _(
            "Another operation of this kind (%(operation)s) is running on the repository. Nothing was changed. Wait "
            "until it has ended."
        )
    }


class LimitReached(ApplicationError):
    """The plan keeps no more backups of this server, or no more new volumes; `limit` or `volumes` is how many."""

    code, status, title = "limit_reached", 409, _("Limit reached")
    message = ngettext_lazy(
        "Your plan keeps %(limit)s backup of this server, and it exists. Nothing was changed. Delete it first.",
        "Your plan keeps %(limit)s backups of this server, and they all exist. Nothing was changed. Delete one first.",
        "limit",
    )
    instead = {
        "volumes": ngettext_lazy(
            "Your plan keeps %(volumes)s new volume, and it exists. Nothing was changed. Ask your host to remove it.",
            "Your plan keeps %(volumes)s new volumes, and they all exist. Nothing was changed. Ask your host to remove "
            "one.",
            "volumes",
        )
    }


class QuotaExceeded(ApplicationError):
    """The backups of the order have as many bytes as the plan allows; `limit_bytes`, `used_bytes`."""

    code, status, title = "quota_exceeded", 409, _("Quota exceeded")
    message = _(
        "Your plan allows %(limit_bytes)s of backups, and they have %(used_bytes)s. Nothing was changed. Delete some "
        "first."
    )


class BackupTooSoon(ApplicationError):
    """The plan asks for a pause between two backups by hand; `minutes` are left of it."""

    code, status, title = "backup_too_soon", 409, _("Too soon")
    message = ngettext_lazy(
        "Your plan asks for a pause between two backups of a server by hand. Nothing was changed. Try again in "
        "%(minutes)s minute.",
        "Your plan asks for a pause between two backups of a server by hand. Nothing was changed. Try again in "
        "%(minutes)s minutes.",
        "minutes",
    )


class SourceNotOffered(ApplicationError):
    """The plan does not back up this source."""

    code, status, title = "source_not_offered", 409, _("Not in this plan")
    message = _("Your plan does not back this up. Nothing was changed. A larger plan may include it.")


class BackupLocked(ApplicationError):
    """A locked backup is not deleted."""

    code, status, title = "backup_locked", 409, _("Backup is locked")
    message = _("This backup is locked against deletion. Nothing was changed. Unlock it first.")


class BackupCollapsed(ApplicationError):
    """The backup is of a server that had lost most of its files, and the request does not accept that."""

    code, status, title = "backup_collapsed", 409, _("Backup of a collapsed server")
    message = _(
        "The server had lost most of its files when this backup was made, and a restore would bring that back. Nothing "
        "was changed. Restore an earlier backup, or say with accept_collapsed that you want this one."
    )


class ProfileDiffers(ApplicationError):
    """The server to restore onto runs another game than the backup's."""

    code, status, title = "profile_differs", 409, _("Another game")
    message = _(
        "The backup is of another game than the server that you chose. Nothing was changed. Choose a server that runs "
        "the same game."
    )


class VolumesNotOffered(ApplicationError):
    """The sidecar is not configured to make new volumes, or has not said so yet."""

    code, status, title = "volumes_not_offered", 409, _("No new volumes here")
    message = _(
        "No new volume can be made beside this server. Nothing was changed. Restore onto the server, or ask your host."
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


class FilesUnavailable(ApplicationError):
    """The files of a backup cannot be listed: it has no list of them, or a damaged one."""

    code, status, title = "files_unavailable", 409, _("No list of files")
    message = _(
        "The files in this backup cannot be shown: the list of them is missing or damaged. The backup can be restored "
        "and downloaded all the same."
    )


class SidecarError(ApplicationError):
    """Base of the failures that only a sidecar has: code and status are those of the wire."""

    def __init_subclass__(cls, *, code: ErrorCode, **kwargs: Any) -> None:
        cls.code, cls.status = code.value, code.http_status
        super().__init_subclass__(**kwargs)


class SidecarUnavailableError(SidecarError, code=ErrorCode.SIDECAR_UNAVAILABLE):
    """The sidecar cannot be reached, or the connection broke."""

    title = _("Server not reachable")
    message = _("The backup agent beside your server could not be reached. Your data was not changed. Try again later.")


class SidecarRefused(SidecarError, code=ErrorCode.SIDECAR_REFUSED):
    """The sidecar refused the call."""

    title = _("Refused by the server")
    message = _(
        "The backup agent beside your server refused the request. Your data was not changed. Please ask support."
    )


class ScratchFullError(SidecarError, code=ErrorCode.SCRATCH_FULL):
    """A scratch disk has no room left: the sidecar's, or with `needed_bytes` and `free_bytes` that of test restores."""

    title = _("Temporary disk full")
    message = _("The temporary disk beside your server is full. Nothing was changed. Please ask your host.")
    instead = {
        "needed_bytes": _(
            "The portal's disk for test restores has too little free space: at least %(needed_bytes)s are needed and "
            "%(free_bytes)s are free. Your backup and your server were not touched. Please ask your host."
        )
    }


class ServerNotStopped(SidecarError, code=ErrorCode.SERVER_NOT_STOPPED):
    """The game server was to be stopped for the restore, and could not be."""

    title = _("Server not stopped")
    message = _(
        "The game server could not be stopped for the restore. Your files were not changed. Stop it yourself and try "
        "again, or let it run."
    )


class NotEnoughSpaceError(SidecarError, code=ErrorCode.NOT_ENOUGH_SPACE):
    """The server's disk has no room to stage the restore, which needs `needed_bytes` where `free_bytes` are left."""

    title = _("Not enough space")
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


class ArchiveRefusedError(SidecarError, code=ErrorCode.ARCHIVE_REFUSED):
    """The archive holds entries that must not be restored."""

    title = _("Backup refused")
    message = _(
        "The backup contains entries that are not safe to restore. Your server was not changed. Please ask support."
    )


class SourceFailed(SidecarError, code=ErrorCode.SOURCE_FAILED):
    """The server's files could not be read or written as a whole."""

    title = _("Server files not accessible")
    message = _(
        "The files of your server could not be read or written. No existing data was lost. Please ask your host."
    )
