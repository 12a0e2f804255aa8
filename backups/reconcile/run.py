"""One run of the reconciler: check every invariant, record violations, repair those that may be repaired.

Two invariants have no check here. I2 is about chunks of repositories, and I8 about secrets, which only a test with
canaries can find.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from django.core.cache import cache

from backups.models import Finding, Invariant
from backups.reconcile import archives, limits, objects, operations, statuses
from backups.reconcile.checks import Check, CheckScope, Unchecked, rows_of
from backups.reconcile.findings import (
    finding_gone,
    finding_note,
    finding_repaired,
    findings_confirm,
    findings_forget,
    open_of,
)
from backups.reconcile.heartbeats import Heartbeats
from common.clock import database_now

log = logging.getLogger(__name__)

CHECKS: tuple[Check, ...] = (
    *archives.CHECKS,
    *statuses.CHECKS,
    *limits.CHECKS,
    *objects.CHECKS,
    *operations.CHECKS,
)
RUNNING = "reconcile"
RUNNING_SECONDS = 6 * 3600
UPKEEP_RUNNING_SECONDS = 1800
"""After this time a run whose process died no longer blocks others."""
UPKEEP_LONGEST_SECONDS = 120.0
"""How long upkeep asks storages about backups; the next run goes on where it stopped."""
BLIND_SHOWN = 100


class AlreadyRunning(Exception):
    """Another run is under way."""


@dataclass(slots=True)
class CheckTally:
    """The counts of one run for one invariant: seen, new among these, gone, and repaired."""

    seen: int = 0
    new: int = 0
    gone: int = 0
    repaired: int = 0


@dataclass(slots=True)
class Report:
    """The result of a run; `blind` has objects that could not be checked, a bounded number."""

    tallies: dict[Invariant, CheckTally]
    blind: list[Unchecked] = field(default_factory=list)

    def blind_note(self, blind: Unchecked) -> None:
        """Record an object that could not be checked, as long as there is room."""
        if len(self.blind) < BLIND_SHOWN:
            self.blind.append(blind)


def reconcile(
    *,
    invariants: frozenset[Invariant] = frozenset(Invariant),
    repair: bool = False,
    deep: bool = False,
    heartbeats: Heartbeats | None = None,
) -> Report:
    """Check these invariants; with `repair`, also repair violations. Raises AlreadyRunning.

    Without `heartbeats` operations that stopped moving are left to the supervisors.
    """
    checks = [check for check in CHECKS if check.invariant in invariants]
    with _alone(RUNNING_SECONDS):
        scope = CheckScope(now=database_now(), deep=deep, heartbeats=heartbeats)
        return _run(checks, scope, repaired=frozenset(check for check in checks if repair))


def reconcile_upkeep() -> None:
    """The hourly run: it is bounded in time, and none of its repairs leads to a deletion."""
    try:
        with _alone(UPKEEP_RUNNING_SECONDS):
            until = time.monotonic() + UPKEEP_LONGEST_SECONDS
            scope = CheckScope(now=database_now(), until=until)
            report = _run(CHECKS, scope, repaired=frozenset(check for check in CHECKS if check.unattended))
    except AlreadyRunning:
        return
    for invariant, tally in report.tallies.items():
        if tally.new or tally.gone or tally.repaired:
            log.warning("reconcile %s: %d new, %d gone, %d repaired", invariant, tally.new, tally.gone, tally.repaired)


@contextmanager
def _alone(seconds: int) -> Iterator[None]:
    if not cache.add(RUNNING, "", timeout=seconds):
        raise AlreadyRunning
    try:
        yield
    finally:
        cache.delete(RUNNING)


def _run(checks: tuple[Check, ...] | list[Check], scope: CheckScope, *, repaired: frozenset[Check]) -> Report:
    report = Report(tallies={check.invariant: CheckTally() for check in checks})
    for check in checks:
        try:
            _check(check, scope, report, repair=check in repaired)
        except Exception as error:
            # A check that fails does not stop the others, and closes none of its earlier findings.
            log.exception("reconcile: a check of %s was broken off", check.invariant)
            report.blind_note(Unchecked(UUID(int=0), f"{check.invariant}: {type(error).__name__}"))
    findings_forget(scope.now)
    return report


def _check(check: Check, scope: CheckScope, report: Report, *, repair: bool) -> None:
    tally = report.tallies[check.invariant]
    hidden: set[UUID] = set()
    for answer in check.find(scope):
        if isinstance(answer, Unchecked):
            hidden.add(answer.where)
            report.blind_note(answer)
            continue
        tally.seen += 1
        tally.new += finding_note(check=check, seen=answer, now=scope.now)
    findings_confirm(check=check, now=scope.now)
    for finding in rows_of(open_of(check).exclude(last_seen_at=scope.now)):
        tally.gone += _gone(check, finding, scope)
    if repair and check.repair is not None:
        # An incomplete listing may mislead: nothing is repaired after a check that was cut off.
        for finding in rows_of(open_of(check).filter(last_seen_at=scope.now, confirmed_at__isnull=False)):
            if finding.object_id not in hidden:
                tally.repaired += _repair(check, finding, scope)


def _repair(check: Check, finding: Finding, scope: CheckScope) -> bool:
    if check.repair is None:
        return False
    try:
        done = check.repair(finding)
    except Exception:
        log.exception("reconcile: %s was not repaired", finding)
        return False
    if done and finding.repaired_at is None:
        log.warning("reconcile: repaired %s", finding)
        finding_repaired(finding=finding, now=scope.now)
        finding.repaired_at = scope.now
    if done:
        _gone(check, finding, scope)
    return done


def _gone(check: Check, finding: Finding, scope: CheckScope) -> bool:
    """Check the object of one finding again; close the finding when the invariant holds, not when the check fails."""
    again = list(check.find(CheckScope(now=scope.now, only=finding)))
    if any(isinstance(answer, Unchecked) or answer.same_as(finding) for answer in again):
        return False
    return finding_gone(check=check, finding=finding, now=scope.now)
