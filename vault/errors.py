"""Failures of targets, of stored objects and of the keys that open them."""

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from common.errors import ApplicationError


class TargetOptionsInvalid(ApplicationError):
    """An option of a storage target is not as its kind has it; `reason` is a sentence to translate."""

    code, status, title = "target_options_invalid", 400, _("Options not valid")
    message = _("The option “%(option)s” of the target is missing or not valid. Nothing was stored.")

    def __init__(self, *, option: str, reason: str) -> None:
        super().__init__(option=option)
        self.reason = reason


class TargetRootRefused(ApplicationError):
    """A local target outside the folders that are set aside for backups; `root` and `allowed` are paths.

    `option` is the one that names the folder.
    """

    code, status, title = "target_root_refused", 400, _("Folder not set aside for backups")
    message = _(
        "Backups may not be kept in %(root)s, but in folders below: %(allowed)s. Nothing was stored. "
        "The operator of the portal sets these folders in SAVEPOINT_STORAGE_ROOTS."
    )


class StorageUnavailableError(ApplicationError):
    """The storage cannot be reached, or refused its credentials."""

    code, status, title = "storage_unavailable", 503, _("Storage not reachable")
    message = _("The backup storage could not be reached. Nothing was lost. Try again later.")


class StorageFullError(ApplicationError):
    """The storage has no room left."""

    code, status, title = "storage_full", 507, _("Storage full")
    message = _("The backup storage is full. Your existing backups are safe. Please ask your host.")


class ArchiveDamagedError(ApplicationError):
    """The stored backup is truncated or was altered; `files` and `paths`: how many files are damaged, and the first."""

    code, status, title = "archive_damaged", 409, _("Backup damaged")
    message = _("The stored backup is damaged. Your server was not changed. Use another backup, and tell support.")
    instead = {
        "files": ngettext_lazy(
            "%(files)s file of this backup is damaged: %(paths)s. Your server was not changed. Use another backup, and "
            "tell support.",
            "%(files)s files of this backup are damaged, the first of them: %(paths)s. Your server was not changed. "
            "Use another backup, and tell support.",
            "files",
        )
    }


class PruneRefusedError(ApplicationError):
    """A prune would not have been safe; `reason` is why, in the words of the repository's own messages."""

    code, status, title = "prune_refused", 409, _("Prune refused")
    message = _("Nothing was deleted, because that would not be safe now: %(reason)s.")


class RepositoryUnknownError(ApplicationError):
    """A later release has written the repository, the snapshot or the archive."""

    code, status, title = "repository_unknown", 409, _("Stored by a later release")
    message = _(
        "This backup was stored by a later release of the portal. It was left alone, and your server was not changed. "
        "Please ask your host."
    )
