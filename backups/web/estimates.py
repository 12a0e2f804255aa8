"""The estimate of a backup, as a part of the forms in which patterns are typed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from accounts.models import User
from backups.services.estimates import Estimate, backup_estimate
from common.errors import ApplicationError, ValidationError
from common.paths import path_text
from orders.patterns import pattern_text
from provisions.models import Provision

TEMPLATE = "backups/estimate.html"


@dataclass(frozen=True, slots=True)
class PatternRow:
    """A pattern, and what it leaves out."""

    pattern: str
    entries: int
    bytes: int
    of_file: bool
    impossible: bool


@dataclass(frozen=True, slots=True)
class PathRow:
    """A path that would be left out."""

    path: str
    pattern: str
    bytes: int


@dataclass(frozen=True, slots=True)
class EstimatePart:
    """The content of a backup made now; `refused` says why there is no estimate, and everything else is empty then.

    changed_bytes: of files that changed since the last good backup, None without one. took: None where not known.
    """

    refused: str = ""
    entries: int = 0
    bytes: int = 0
    changed_bytes: int | None = None
    took: timedelta | None = None
    patterns: tuple[PatternRow, ...] = ()
    paths: tuple[PathRow, ...] = ()
    more: bool = False
    named: bool = True


def estimate_part(
    *, user: User, provision: Provision, of_backup: Sequence[str] = (), of_server: Sequence[str] | None = None
) -> EstimatePart:
    """The estimate with these patterns, or the reason why there is none: it stops nobody from making a backup."""
    try:
        estimate = backup_estimate(
            user=user,
            order_id=provision.order_id,
            provision_id=provision.id,
            of_backup=of_backup,
            of_server=of_server,
        )
    except ValidationError as error:
        return EstimatePart(refused=" ".join(error.errors.get("exclude", [error.detail])))
    except ApplicationError as error:
        return EstimatePart(refused=error.detail)
    return _shown(estimate)


def _shown(estimate: Estimate) -> EstimatePart:
    counted = estimate.counted
    patterns = tuple(
        PatternRow(pattern_text(found.pattern), found.entries, found.bytes, found.of_file, found.impossible)
        for found in counted.patterns
    )
    return EstimatePart(
        entries=counted.entries,
        bytes=counted.bytes,
        changed_bytes=None if estimate.is_first else counted.changed_bytes,
        took=None if estimate.seconds is None else timedelta(seconds=estimate.seconds),
        patterns=patterns,
        paths=tuple(
            PathRow(path_text(path.path) + ("/" if path.is_folder else ""), patterns[path.pattern].pattern, path.bytes)
            for path in counted.paths
        ),
        more=counted.more,
        named=estimate.named,
    )
