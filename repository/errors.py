"""What can go wrong with a repository: one tree, a stable code for each branch, no secrets in any message."""

from __future__ import annotations


class RepositoryError(Exception):
    """Base of the repository's failures. `code` is stable; `retryable`: the same call may succeed later."""

    code = "repository_failed"
    retryable = False


class RepositoryKeyWrong(RepositoryError):
    """The key that was given is not the repository's. Says nothing about what is stored."""

    code = "key_unavailable"


class RepositoryNotFound(RepositoryError):
    """There is no repository at that place."""

    code = "repository_not_found"


class RepositoryExists(RepositoryError):
    """There is a repository at that place already."""

    code = "repository_exists"


class RepositoryUnknown(RepositoryError):
    """The repository was written by a later release."""

    code = "repository_unknown"


class SnapshotNotFound(RepositoryError):
    """There is no such snapshot: it was never finished, or it was deleted."""

    code = "snapshot_not_found"


class PathNotFound(RepositoryError):
    """The snapshot holds nothing under that path."""

    code = "path_not_found"


class Damage(RepositoryError):
    """What is stored is not what was written. The message names the object; nothing was changed or deleted."""

    code = "backup_damaged"


class ObjectDamaged(Damage):
    """An object is missing, changed, cut short, or belongs somewhere else."""


class ChunkMissing(Damage):
    """No pack holds a chunk that a snapshot names."""


class ManifestInvalid(Damage):
    """A manifest opened, but says what no writer of ours says."""


class Overtaken(RepositoryError):
    """The writer took so long that it was held to be dead; nothing was listed, and trying again resumes."""

    code = "overtaken"
    retryable = True


class PruneRunning(RepositoryError):
    """Another prune is at work on the repository."""

    code = "prune_running"
    retryable = True


class PruneRefused(RepositoryError):
    """Pruning would not be safe now; the message says why, and nothing was deleted."""

    code = "prune_refused"
    retryable = True


class TargetFailed(RepositoryError):
    """The place to restore to cannot be written. What was put there before is whole; the backup is unharmed."""

    code = "restore_target_failed"


class TargetFull(TargetFailed):
    """The place to restore to has no room left, or its owner's quota is used up."""

    code = "restore_target_full"


class TargetBusy(TargetFailed):
    """Another restore is at work there."""

    code = "restore_target_busy"
    retryable = True


class LimitReached(RepositoryError):
    """The snapshot holds more than the caller would have restored."""

    code = "restore_limit_reached"
