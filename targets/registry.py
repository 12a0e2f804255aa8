"""All kinds of targets, and the one way to open one."""

from __future__ import annotations

from typing import Any, Final

from repository.retrying import Retry, RetryingStorage
from targets.kinds import TargetKind
from targets.local import LOCAL
from targets.s3_kind import S3

KINDS: Final[tuple[TargetKind, ...]] = (LOCAL, S3)


def kind_named(name: str) -> TargetKind:
    """The kind of that name. Raises KeyError."""
    return {kind.name: kind for kind in KINDS}[name]


def storage_open(kind: TargetKind, settings: Any, retry: Retry | None = None) -> RetryingStorage:
    """The storage of a target, whose every call is tried again by one policy. Opens no connection yet."""
    policy = retry or Retry()
    return RetryingStorage(kind.open(settings, policy), policy)
