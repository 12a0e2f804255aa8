"""Test restores by schedule: of each order's newest good backup, after as many days as plan and customer say."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import blake2b
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services.audit import audit_record
from backups import kinds
from backups.models import Backup, Depth
from backups.selectors import GOOD, order_proven_at
from backups.services.verification import verification_start
from common.clock import database_now
from common.errors import ValidationError
from common.locks import row_lock
from operations.models import LIVE_STATES, Operation
from orders.models import Order
from orders.rights import OrderRight, order_change_require, right_require
from orders.services.orders import order_lock

TRIALS_AT_ONCE = 4
"""Test restores that are queued or running because they were due."""
LOOKED_AT = 200
"""Orders that one run looks at."""
DAYS_MAX = 366
DAY = timedelta(days=1)
LATER = timedelta(minutes=15)
"""When an order is looked at again whose own work was going on."""


def trials_due() -> int:
    """Start the test restores that are due, a few at a time; return how many."""
    now = database_now()
    _first_dates(now)
    _nothing_to_test(now)
    live = Operation.objects.filter(
        kind=kinds.VERIFY.name, params__depth=Depth.RESTORE.value, requested_by=None, state__in=LIVE_STATES
    )
    room = TRIALS_AT_ONCE - live.count()
    due = Order.objects.filter(next_trial_at__lte=now).order_by("next_trial_at").values_list("id", flat=True)
    started = 0
    for order_id in list(due[:LOOKED_AT]):
        if started >= room:
            break
        started += _begin(order_id, now)
    return started


def trials_choose(*, user: User, order: Order, days: int | None) -> Order:
    """Set the days between the test restores of an order: the plan's (None), more than those, or never (0).

    Return the order as it is now. Raises, in this order: PermissionDenied, OrderSuspended, OrderNotFound, and
    ValidationError for days that the plan does not allow.
    """
    right_require(user, order, OrderRight.SCHEDULES)
    order_change_require(user, order)
    with transaction.atomic():
        current = order_lock(order.id)
        if days is not None:
            _days_require(days, current.plan.trial_days)
        if current.trial_days != days:
            # The next run of the chore looks at it, and finds the date that follows from its newest test restore.
            current.trial_days, current.next_trial_at = days, database_now()
            current.save(update_fields=["trial_days", "next_trial_at"])
            audit_record(
                actor=user, action="order.trials", order_id=current.id, object_id=current.id,
                days=current.days_of_trials,
            )  # fmt: skip
    return current


def _days_require(days: int, least: int) -> None:
    if not least:
        raise ValidationError(errors={"days": [_("The plan has no test restores by schedule.")]})
    if days and not least <= days <= DAYS_MAX:
        said = _("A number from %(least)s to %(most)s, or 0 for no test restores.")
        raise ValidationError(errors={"days": [said % {"least": least, "most": DAYS_MAX}]})


def trial_offset(order_id: UUID, days: int) -> timedelta:
    """A time within so many days, always the same for an order: together they spread the work evenly."""
    share = int.from_bytes(blake2b(order_id.bytes, digest_size=8).digest(), "big") / (1 << 64)
    return days * DAY * share


def _first_dates(now: datetime) -> None:
    """Spread the first test restores of orders over the days of their plans."""
    undated = Order.objects.filter(next_trial_at__isnull=True).select_related("plan")[:LOOKED_AT]
    for order in undated:
        first = now + trial_offset(order.id, order.days_of_trials or 1)
        Order.objects.filter(id=order.id, next_trial_at__isnull=True).update(next_trial_at=first)


def _nothing_to_test(now: datetime) -> None:
    """Look again a day later at orders without test restores: one by one they would hold up those that have them."""
    good = Backup.objects.filter(GOOD, order=OuterRef("pk"))
    without = Q(plan__trial_days=0) | Q(plan__has_backups=False) | Q(suspended_at__lte=now) | ~Exists(good)
    Order.objects.filter(without, next_trial_at__lte=now).update(next_trial_at=now + DAY)


def _begin(order_id: UUID, now: datetime) -> bool:
    """Start the test restore of an order if it needs one, and set its next date; return whether it was started."""
    with transaction.atomic():
        order = row_lock(Order.objects.select_related("plan").filter(id=order_id))
        if order is None:
            return False
        days = order.days_of_trials
        started, following = False, now + max(days, 1) * DAY
        if days and order.plan.has_backups and not order.is_suspended:
            proven = order_proven_at(order)
            newest = Backup.objects.filter(GOOD, order=order).order_by("-completed_at").first()
            if newest is None:
                following = now + DAY
            elif proven is not None and proven + days * DAY > now:
                following = proven + days * DAY
            elif Operation.objects.filter(order=order, state__in=LIVE_STATES).exists():
                following = now + LATER
            else:
                verification_start(order=order, backup=newest, depth=Depth.RESTORE, user=None)
                # One that fails, say because the storage is away, is tried again the next day.
                started, following = True, now + DAY
        Order.objects.filter(id=order_id).update(next_trial_at=following)
    return started
