"""The list of target kinds, and the function that opens a target."""

from __future__ import annotations

from typing import Any, Final

from repository.retrying import Retry, RetryingStorage
from targets.kinds import NOT_VALID, OptionInvalid, TargetKind
from targets.local import LOCAL
from targets.s3_kind import S3

KINDS: Final[tuple[TargetKind, ...]] = (LOCAL, S3)


def kind_named(name: str) -> TargetKind:
    """Return the kind of that name. Raises OptionInvalid."""
    for kind in KINDS:
        if kind.name == name:
            return kind
    raise OptionInvalid("kind", NOT_VALID)


def storage_open(kind: TargetKind, settings: Any, retry: Retry | None = None) -> RetryingStorage:
    """Return the storage of a target, with one retry policy for all its calls. Opens no connection."""
    policy = retry or Retry()
    return RetryingStorage(kind.open(settings, policy), policy)
