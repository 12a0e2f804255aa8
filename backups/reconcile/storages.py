"""The targets of one check: each is opened once, and one that is away is not asked again."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from uuid import UUID

from backups.reconcile.checks import Unchecked
from common.errors import ApplicationError
from repository.archive.object_keys import SUFFIXES
from repository.storage import ObjectNotFound, Storage, StorageError
from vault.models import StorageTarget
from vault.services.opening import target_open

log = logging.getLogger(__name__)

FAILURES_MAX = 10
"""A target that refuses this many calls is skipped for the rest of the check."""


@dataclass
class _Target:
    storage: Storage | None
    failures: int = 0


class Storages:
    """Opens targets, and remembers those that are away: each further call would wait just as long."""

    def __init__(self) -> None:
        self._targets: dict[UUID, _Target] = {}

    def open(self, target_id: UUID) -> Storage | None:
        """The storage of a target; None when it was given up before. Raises StorageError, ApplicationError."""
        if target_id not in self._targets:
            self._targets[target_id] = _Target(storage=None)
            self._targets[target_id].storage = _opened(target_id)
        return self._targets[target_id].storage

    def failed(self, target_id: UUID, error: Exception) -> Unchecked:
        """Note that a call failed, and give the target up when it is away. Objects in it are not gone."""
        target = self._targets[target_id]
        target.failures += 1
        if getattr(error, "retryable", False) or target.failures >= FAILURES_MAX:
            target.storage = None
        log.warning("target %s could not be looked at: %s", target_id, type(error).__name__)
        return Unchecked(target_id, f"{type(error).__name__}: {error}")


def _opened(target_id: UUID) -> Storage:
    try:
        return target_open(StorageTarget.objects.get(id=target_id))
    except ApplicationError:
        raise
    except Exception as error:
        # Options of another release or a target that was just removed do not stop the check of the others.
        raise StorageError("the target cannot be opened") from error


def object_size(storage: Storage, key: str) -> int | None:
    """The size of an object in bytes, None when there is none. Raises StorageError."""
    try:
        return storage.size(key)
    except ObjectNotFound:
        return None


def archive_of(key: str) -> str:
    """The key of the archive that an object is, or lies beside."""
    for suffix in SUFFIXES:
        if key.endswith(suffix):
            return key.removesuffix(suffix)
    return key
