"""Operations: the rows, not the queue, have the authoritative state of long work."""

from __future__ import annotations

import math
import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from operations.kinds import kind_choices
from operations.states import LIVE_STATES, ExchangeState, OperationScope, OperationState, Priority
from orders.models import Order


class Operation(models.Model):
    """One piece of work, claimed by one worker at a time.

    fence: grows with every claim; a write with an older fence changes nothing. heartbeat: a counter, not a time, so
    that liveness depends on no clock. attempts: the claims that count. not_before: the earliest time of a claim.
    warnings: the first of the live paths that a restore left unchanged; warnings_total: their number.
    worker: the claiming worker, `{supervisor}:{pid}`. expires_at: the end of a hold, which no worker runs.
    server_id: the server of the order whose live files an exchange changes, null for work without one. volume_id: the
    volume that a restore makes instead; it becomes a provision in the transaction that ends the restore well.
    exclusive: excludes other exclusive operations on its order. exchange: the furthest possible progress of an exchange
    of live files. priority, turn: its place in the queue, as `operations.turns` gives it to the customer, by
    customer_id; null for work of the portal. host, target_id: the machine of the sidecar and the storage target
    that the work uses, whose limits it counts towards; empty for none. order, scope_id: the owner; scope_id is the
    id of a repository or a target. result: the findings and deeds of upkeep, in numbers.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    scope = models.CharField(max_length=16, choices=OperationScope.choices, default=OperationScope.ORDER)
    order = models.ForeignKey(Order, on_delete=models.CASCADE, null=True, related_name="operations")
    scope_id = models.UUIDField(null=True)
    server_id = models.UUIDField(null=True)
    volume_id = models.UUIDField(null=True, unique=True)
    kind = models.CharField(_("kind"), max_length=32, choices=kind_choices)
    exclusive = models.BooleanField(default=False)
    state = models.CharField(_("state"), max_length=16, choices=OperationState.choices, default=OperationState.QUEUED)
    phase = models.CharField(_("phase"), max_length=32, blank=True)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    params = models.JSONField(default=dict)
    priority = models.PositiveSmallIntegerField(_("priority"), choices=Priority.choices, default=Priority.ASKED)
    turn = models.BigIntegerField(default=0)
    customer_id = models.UUIDField(null=True)
    host = models.CharField(_("host"), max_length=300, blank=True)
    target_id = models.UUIDField(null=True)
    exchange = models.CharField(max_length=16, choices=ExchangeState.choices, default=ExchangeState.NONE, blank=True)
    fence = models.PositiveBigIntegerField(default=0)
    attempts = models.PositiveIntegerField(default=0)
    heartbeat = models.PositiveBigIntegerField(default=0)
    worker = models.CharField(max_length=100, blank=True)
    bytes_done = models.PositiveBigIntegerField(default=0)
    bytes_total = models.PositiveBigIntegerField(null=True)
    rate = models.PositiveBigIntegerField(default=0)
    error_code = models.CharField(max_length=64, blank=True)
    error_params = models.JSONField(default=dict)
    result = models.JSONField(_("result"), default=dict)
    warnings = models.JSONField(default=list)
    warnings_total = models.PositiveIntegerField(default=0)
    cancel_requested_at = models.DateTimeField(null=True)
    not_before = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("operation")
        verbose_name_plural = _("operations")
        indexes = [
            models.Index(fields=["created_at"], name="operation_live", condition=Q(state__in=LIVE_STATES)),
            models.Index(
                fields=["turn", "priority", "created_at"],
                name="operation_next",
                condition=Q(state=OperationState.QUEUED),
            ),
            models.Index(fields=["priority", "turn"], name="operation_head", condition=Q(state=OperationState.QUEUED)),
            models.Index(
                fields=["customer_id", "priority", "turn"],
                name="operation_queued_of_customer",
                condition=Q(state=OperationState.QUEUED),
            ),
            models.Index(fields=["order"], name="operation_running", condition=Q(state=OperationState.RUNNING)),
        ]
        constraints = [
            models.UniqueConstraint(
                name="operation_one_active_an_order",
                fields=["order"],
                condition=Q(state__in=LIVE_STATES, exclusive=True),
            ),
            models.UniqueConstraint(
                name="operation_one_of_a_kind_a_repository",
                fields=["scope_id", "kind"],
                condition=Q(state__in=LIVE_STATES, scope=OperationScope.REPOSITORY),
            ),
            models.CheckConstraint(
                name="operation_one_scope",
                condition=Q(scope=OperationScope.ORDER, order__isnull=False, scope_id__isnull=True)
                | Q(
                    scope__in=[OperationScope.REPOSITORY, OperationScope.TARGET],
                    order__isnull=True,
                    scope_id__isnull=False,
                )
                | Q(scope=OperationScope.PORTAL, order__isnull=True, scope_id__isnull=True),
            ),
            models.CheckConstraint(
                name="operation_exclusive_on_an_order", condition=Q(exclusive=False) | Q(scope=OperationScope.ORDER)
            ),
            models.CheckConstraint(
                name="operation_makes_a_volume_or_changes_a_server",
                condition=Q(server_id__isnull=True) | Q(volume_id__isnull=True),
            ),
            models.CheckConstraint(
                name="operation_discards_only_a_volume",
                condition=~Q(exchange=ExchangeState.DISCARDED) | Q(volume_id__isnull=False),
            ),
            models.CheckConstraint(name="operation_exchange_known", condition=Q(exchange__in=ExchangeState.values)),
            models.CheckConstraint(name="operation_priority_known", condition=Q(priority__in=Priority.values)),
            models.CheckConstraint(name="operation_state_known", condition=Q(state__in=OperationState.values)),
            models.CheckConstraint(
                name="operation_finished_when_over",
                condition=Q(state__in=LIVE_STATES, finished_at__isnull=True)
                | (~Q(state__in=LIVE_STATES) & Q(finished_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="operation_failed_says_why",
                condition=Q(state__in=[OperationState.FAILED, OperationState.CANCELLED], error_code__gt="")
                | (~Q(state__in=[OperationState.FAILED, OperationState.CANCELLED]) & Q(error_code="")),
            ),
            models.CheckConstraint(
                name="operation_running_has_fence", condition=~Q(state=OperationState.RUNNING) | Q(fence__gt=0)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"

    @property
    def is_live(self) -> bool:
        """Whether the operation is queued or running."""
        return self.state in LIVE_STATES

    @property
    def is_hold(self) -> bool:
        """Whether this is a hold: it reserves its order for a time, and no worker runs it."""
        return self.expires_at is not None

    @property
    def eta_seconds(self) -> int | None:
        """The time left at the present rate, while there is one."""
        if self.state != OperationState.RUNNING or self.bytes_total is None or not self.rate:
            return None
        return math.ceil(max(0, self.bytes_total - self.bytes_done) / self.rate)
