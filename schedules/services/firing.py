"""Triggers at work, on each tick: sidecars are asked for events, and the backups that are due begin.

An event is stored as a backup that is due before any begins, and a backup that begins takes it away in the same
transaction: a portal that dies in between neither loses an event nor backs up twice for it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import DatabaseError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from backups.errors import LimitReached, OperationInProgress
from backups.selectors import backup_newest_good
from backups.services.backups import backup_create, name_with_moment
from backups.services.looks import GameState, changes_look, games_look
from common.errors import ApplicationError
from common.states import compare_and_set
from orders.models import Plan
from orders.services.orders import order_lock
from provisions.models import Provision
from schedules.errors import GameNotWatched
from schedules.models import Trigger, TriggerKind
from schedules.services.rotation import rotation_makes_room

log = logging.getLogger(__name__)

BATCH = 1000
"""How many servers are asked before their answers are stored."""
GAMES_SECONDS, CHANGES_SECONDS = 20.0, 30.0
"""After this time no sidecar is asked any more: the others are asked at the next tick."""
COUNTS_EVERY = timedelta(seconds=50)
"""The time between two looks at the starts and ends of a game: each tick."""
BYTES_EVERY = timedelta(minutes=10)
"""The time between two counts of the changed bytes of a server."""
PATIENCE = (timedelta(minutes=1), timedelta(minutes=30))
"""The time until a sidecar without an answer is asked again: the first, doubled each time, up to the second."""
AGAIN_EVERY = timedelta(minutes=10)
"""The time after which a backup that could not begin is tried again, unless it waits for work that goes on."""
FIRED_AT_ONCE = 500
"""How many servers' backups begin in one run."""
GAME_KINDS = (TriggerKind.CRASH, TriggerKind.START)
COUNT_MAX = 2**63 - 1

NAMES: dict[TriggerKind, str | Promise] = {
    TriggerKind.CRASH: _("After a crash %(moment)s"),
    TriggerKind.START: _("After a start %(moment)s"),
    TriggerKind.CHANGED_BYTES: _("After many changes %(moment)s"),
}

Rows = dict[Provision, list[Trigger]]


def triggers_run() -> int:
    """Look at the servers whose triggers want it, and begin the backups that are due; return how many began.

    Call it outside a transaction: it asks sidecars.
    """
    # First those that were due before: no sidecar can delay them.
    begun = _fire_all()
    _look_all(GAME_KINDS, _games, until=time.monotonic() + GAMES_SECONDS)
    _look_all((TriggerKind.CHANGED_BYTES,), _changes, until=time.monotonic() + CHANGES_SECONDS)
    return begun + _fire_all()


def _allowed() -> QuerySet[Trigger]:
    """The triggers that are on, of orders that may have backups begin by themselves."""
    return Trigger.objects.filter(
        enabled=True, provision__order__plan__has_backups=True, provision__order__plan__customer_schedules=True
    ).exclude(provision__order__suspended_at__lte=timezone.now())


def _look_all(kinds: Sequence[TriggerKind], look: Callable[..., None], *, until: float) -> None:
    """Look at all servers that are due, a batch after the other, each once."""
    begun = timezone.now()
    # A look later than any pause was set before the clock was set back.
    when = Q(next_look_at__lte=begun) | Q(next_look_at__gt=begun + 2 * PATIENCE[1])
    while time.monotonic() < until:
        due = _allowed().filter(when, kind__in=kinds)
        servers = list(due.order_by("next_look_at").values_list("provision", flat=True)[:BATCH])
        if not servers:
            return
        rows = due.filter(provision__in=servers).select_related("provision__order__plan").defer("provision__token")
        by_server: Rows = {}
        for trigger in rows:
            by_server.setdefault(trigger.provision, []).append(trigger)
        look(by_server, until=until)


def _games(rows: Rows, *, until: float) -> None:
    """Look at games, and note a backup as due where one has started or ended since the last look."""
    answers = games_look(rows, until=until)
    now = timezone.now()
    quiet: list[UUID] = []
    for server, triggers in rows.items():
        if server.id not in answers:
            continue
        answer = answers[server.id]
        for trigger in triggers:
            if not isinstance(answer, GameState):
                _failed(trigger, answer or GameNotWatched(), now=now)
            elif _is_quiet(trigger, answer):
                quiet.append(trigger.id)
            else:
                _counted(trigger, answer, now=now)
    # Most games neither start nor end: one statement for all of them. One that was turned on anew has seen nothing.
    same = Trigger.objects.filter(id__in=quiet, enabled=True, seen__isnull=False)
    same.update(looked_at=now, next_look_at=now + COUNTS_EVERY)


def _count_of(trigger: Trigger, game: GameState) -> int:
    return game.ends if trigger.kind == TriggerKind.CRASH else game.starts


def _is_quiet(trigger: Trigger, game: GameState) -> bool:
    known = (trigger.counters, trigger.seen) == (game.counters, _count_of(trigger, game))
    return known and trigger.due_at is None and not trigger.failures and not trigger.error_code


def _counted(trigger: Trigger, game: GameState, *, now: datetime) -> None:
    count = _count_of(trigger, game)
    # Counts under another id have begun anew: nothing tells what happened in between.
    happened = trigger.counters == game.counters and trigger.seen is not None and count > trigger.seen
    due_at = (trigger.due_at or now) if happened else trigger.due_at
    _looked(trigger, now=now, again=COUNTS_EVERY, due_at=due_at, counters=game.counters, seen=count)


def _changes(rows: Rows, *, until: float) -> None:
    """Count changed bytes, and note a backup as due where they have passed the limit."""
    answers = changes_look(rows, until=until)
    now = timezone.now()
    for server, triggers in rows.items():
        if server.id not in answers:
            continue
        answer = answers[server.id]
        for trigger in triggers:
            if isinstance(answer, ApplicationError):
                _failed(trigger, answer, now=now)
            else:
                due_at = (trigger.due_at or now) if answer > (trigger.limit_bytes or 0) else None
                _looked(trigger, now=now, again=BYTES_EVERY, due_at=due_at, seen=min(answer, COUNT_MAX))


def _looked(trigger: Trigger, *, now: datetime, again: timedelta, due_at: datetime | None, **values: object) -> None:
    # The reason why a backup waits stays; that of a look without an answer is over.
    error_code = trigger.error_code if due_at is not None and not trigger.failures else ""
    if due_at is not None and due_at > now + _interval([trigger], plan=trigger.provision.order.plan) + AGAIN_EVERY:
        due_at = now  # later than any pause: the clock was set back
    _store(trigger, looked_at=now, next_look_at=now + again, failures=0, due_at=due_at, error_code=error_code, **values)


def _failed(trigger: Trigger, error: ApplicationError, *, now: datetime) -> None:
    least, most = PATIENCE
    wait = min(least * 2 ** min(trigger.failures, 10), most)
    _store(trigger, next_look_at=now + wait, failures=trigger.failures + 1, error_code=error.code)


def _store(trigger: Trigger, **values: object) -> None:
    """Store what was seen, unless the trigger was changed since it was read."""
    same = Trigger.objects.filter(
        id=trigger.id,
        enabled=True,
        counters=trigger.counters,
        seen=trigger.seen,
        due_at=trigger.due_at,
        next_look_at=trigger.next_look_at,
    )
    compare_and_set(same, **values)


def _fire_all() -> int:
    due = _allowed().filter(due_at__lte=timezone.now()).order_by("due_at")
    pairs = due.values_list("provision__order", "provision")[: FIRED_AT_ONCE * len(TriggerKind)]
    servers = list(dict.fromkeys(pairs))[:FIRED_AT_ONCE]
    return sum(_fire(order_id, server_id) for order_id, server_id in servers)


def _fire(order_id: UUID, server_id: UUID) -> bool:
    """Begin the one backup of all triggers of a server that are due; return whether it began."""
    try:
        with transaction.atomic():
            return _fire_locked(order_id, server_id)
    except (ApplicationError, DatabaseError) as error:
        now = timezone.now()
        # One that waits for an operation, or for the deletion of an older backup, is tried at the next tick, behind the
        # others.
        soon = isinstance(error, OperationInProgress) or (
            isinstance(error, LimitReached) and rotation_makes_room(server_id)
        )
        later = now if soon else now + AGAIN_EVERY
        code = error.code if isinstance(error, ApplicationError) else ApplicationError.code
        Trigger.objects.filter(provision=server_id, due_at__lte=now).update(error_code=code, due_at=later)
        log.info("the backup of the triggers of server %s waits: %s", server_id, code)
        return False


def _fire_locked(order_id: UUID, server_id: UUID) -> bool:
    # Whoever changes a trigger, or begins a backup, holds the same lock.
    plan = order_lock(order_id).plan
    now = timezone.now()
    triggers = list(_allowed().filter(provision=server_id).select_related("provision__order__customer__owner"))
    due = [trigger for trigger in triggers if trigger.due_at is not None and trigger.due_at <= now]
    due = [trigger for trigger in due if not _satisfied(trigger)]
    if not due:
        return False
    free_at = _free_at(triggers, due, plan=plan, now=now)
    if now < free_at:
        _update(due, due_at=free_at, error_code="")
        return False
    server = due[0].provision
    kind = next(kind for kind in TriggerKind if any(trigger.kind == kind for trigger in due))
    name = name_with_moment(NAMES[kind], user=server.order.customer.owner)
    backup = backup_create(
        user=None, order_id=order_id, provision_id=server_id, name=name, rotates=True, idempotency=None
    )
    _update(due, due_at=None, fired_at=now, backup=backup, error_code="")
    return True


def _satisfied(trigger: Trigger) -> bool:
    """Drop what is due for changed bytes when a backup has ended meanwhile: they are counted anew."""
    if trigger.kind != TriggerKind.CHANGED_BYTES or trigger.looked_at is None:
        return False
    newest = backup_newest_good(trigger.provision)
    if newest is None or newest.completed_at is None or newest.completed_at < trigger.looked_at:
        return False
    _update([trigger], due_at=None, error_code="")
    return True


def _free_at(triggers: list[Trigger], due: list[Trigger], *, plan: Plan, now: datetime) -> datetime:
    """From when on the triggers of a server may make their next backup."""
    # One in the future was made before the clock was set back.
    fired = [trigger.fired_at for trigger in triggers if trigger.fired_at is not None and trigger.fired_at <= now]
    if not fired:
        return now
    return max(fired) + _interval(due, plan=plan)


def _interval(triggers: Sequence[Trigger], *, plan: Plan) -> timedelta:
    """The least time between two backups by triggers of a server."""
    shortest = max(plan.shortest_interval_minutes, plan.cooldown_minutes)
    return timedelta(minutes=max(shortest, min(trigger.interval_minutes for trigger in triggers)))


def _update(triggers: list[Trigger], **values: object) -> None:
    Trigger.objects.filter(id__in=[trigger.id for trigger in triggers]).update(**values)
