"""Checks of invariants, and their results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet

from backups.models import NOBODY, Finding, Invariant
from backups.reconcile.heartbeats import Heartbeats
from backups.reconcile.wording import Code

BATCH = 500
SETTLED = timedelta(minutes=5)
"""The time after the last operation on a row in which it is not checked: supervisors and workers repair most of it."""

M = TypeVar("M", bound=Model)
Params = dict[str, str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckScope:
    """The scope of one check: everything, or the object of one earlier finding (`only`).

    now: the database's time when it began. deep: open archives too. until: by the monotonic clock; a check that asks a
    storage about every backup stops then, and goes on there the next time. heartbeats: those of running operations,
    seen once; None leaves them to the supervisors.
    """

    now: datetime
    only: Finding | None = None
    deep: bool = False
    until: float | None = None
    heartbeats: Heartbeats | None = None

    def of(self, object_type: str) -> dict[str, UUID]:
        """The filter of rows by the id of the earlier finding's object; empty when everything is checked."""
        if self.only is None:
            return {}
        return {"id": self.only.object_id if self.only.object_type == object_type else NOBODY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A violation of an invariant."""

    code: Code
    object_type: str
    object_id: UUID = NOBODY
    key: str = ""
    params: Params = field(default_factory=dict)

    def same_as(self, finding: Finding) -> bool:
        """Whether this is the same violation as the finding's."""
        mine = (self.code, self.object_type, self.object_id, self.key)
        return mine == (finding.code, finding.object_type, finding.object_id, finding.key)


@dataclass(frozen=True, slots=True)
class Unchecked:
    """An object that could not be checked: where (a target's id), and why. It is neither right nor wrong."""

    where: UUID
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check of an invariant, with its repair.

    codes: the findings it may report. repair: repairs one finding after a second check under locks, and returns whether
    it changed anything. unattended: no repair of it leads to a deletion, so that the upkeep may do it. grace: how long
    something must be seen before it counts and is repaired. cleared: takes back what a repair marked.
    """

    invariant: Invariant
    codes: frozenset[Code]
    find: Callable[[CheckScope], Iterator[Violation | Unchecked]]
    repair: Callable[[Finding], bool] | None = None
    unattended: bool = False
    grace: timedelta = timedelta(0)
    cleared: Callable[[Finding], None] | None = None


def rows_of(rows: QuerySet[M], *, after: UUID | None = None) -> Iterator[M]:
    """Every row by its key, some hundred at a time: no cursor of the database stays open while a storage is asked."""
    last: object = after
    while batch := list((rows if last is None else rows.filter(pk__gt=last)).order_by("pk")[:BATCH]):
        yield from batch
        last = batch[-1].pk
