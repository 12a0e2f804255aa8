"""The errors of a repository: one tree, a stable code for each branch, no secrets in any message."""

from __future__ import annotations


class RepositoryError(Exception):
    """Base of a repository's errors. `code` is stable; `retryable`: the same call may succeed later."""

    code = "repository_failed"
    retryable = False


class RepositoryKeyWrong(RepositoryError):
    """The given key is not the repository's. The stored data may well be intact."""

    code = "key_unavailable"


class RepositoryNotFound(RepositoryError):
    """There is no repository at that place."""

    code = "repository_not_found"


class RepositoryExists(RepositoryError):
    """A repository already exists at that place."""

    code = "repository_exists"


class RepositoryUnknown(RepositoryError):
    """The repository was written by a later release."""

    code = "repository_unknown"


class SnapshotNotFound(RepositoryError):
    """There is no such snapshot: it was never completed, or it was deleted."""

    code = "snapshot_not_found"


class PathNotFound(RepositoryError):
    """The snapshot has no entry at that path."""

    code = "path_not_found"


class Damage(RepositoryError):
    """Stored bytes differ from those written. The message names the object; nothing was changed or deleted."""

    code = "backup_damaged"


class ObjectDamaged(Damage):
    """An object is missing, changed, truncated, or belongs elsewhere."""


class ChunkMissing(Damage):
    """A chunk that a snapshot names is in no pack."""


class ContentDamaged(Damage):
    """The content of the file at `path` cannot be read: a part of it is damaged or missing."""

    def __init__(self, path: bytes, reason: str) -> None:
        super().__init__(reason)
        self.path = path


class ManifestInvalid(Damage):
    """A manifest opened, but no writer of this project produces its content."""


class Overtaken(RepositoryError):
    """The writer took so long that it was considered dead. Nothing was listed; a retry resumes."""

    code = "overtaken"
    retryable = True


class PruneRunning(RepositoryError):
    """Another prune is running on the repository."""

    code = "prune_running"
    retryable = True


class PruneRefused(RepositoryError):
    """Pruning would not be safe now; the message says why, and nothing was deleted."""

    code = "prune_refused"
    retryable = True


class TargetFailed(RepositoryError):
    """The restore target cannot be written. Files restored before are complete; the backup is unharmed."""

    code = "restore_target_failed"


class TargetFull(TargetFailed):
    """The restore target has no space left, or its owner's quota is exhausted."""

    code = "restore_target_full"


class TargetBusy(TargetFailed):
    """Another restore is running on the target."""

    code = "restore_target_busy"
    retryable = True


class RepositoryLimitReached(RepositoryError):
    """The snapshot holds more than the caller's limit."""

    code = "restore_limit_reached"
