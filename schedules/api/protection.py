"""Whether an order is protected, for programs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import caller_of
from accounts.preferences import time_zone_find
from accounts.scopes import Scope
from common.api.fields import UtcField
from common.api.schema import problems
from common.api.views import ApiView
from orders.errors import OrderNotFound
from orders.selectors import order_get
from schedules.protection.facts import order_protection
from schedules.protection.state import DayState, State
from schedules.protection.words import sentence


class ProtectionDaySerializer(serializers.Serializer[Any]):
    """One day, in the time zone of the customer."""

    date = serializers.DateField()
    state = serializers.ChoiceField(
        [state.value for state in DayState],
        help_text="overdue: a backup was due and is missing; quiet: none was due.",
    )


class ProtectionSerializer(serializers.Serializer[Any]):
    """Whether the server could be brought back."""

    state = serializers.ChoiceField([state.value for state in State])
    sentence = serializers.CharField(help_text="The state with its reason, in the language of the caller.")
    last_good_at = UtcField(
        allow_null=True,
        help_text="When the newest good backup was last known to be current; a run that found nothing changed counts.",
    )
    last_proven_at = UtcField(allow_null=True, help_text="When a good backup was last verified, or restored in a test.")
    next_at = UtcField(allow_null=True, help_text="The next run of a schedule.")
    days = ProtectionDaySerializer(many=True, help_text="The last thirty days, the oldest first.")


class OrderProtectionView(ApiView):
    """The protection of one order."""

    scopes = {"GET": frozenset({Scope.VIEW})}

    @extend_schema(operation_id="orders_protection", responses={200: ProtectionSerializer, **problems(OrderNotFound)})
    def get(self, request: Request, order: UUID) -> Response:
        """Say whether the server could be brought back, with the reason and the last thirty days."""
        caller = caller_of(request)
        # A token comes without a browser, whose zone would be the second choice.
        with timezone.override(time_zone_find(caller.time_zone) or timezone.get_current_timezone()):
            protection = order_protection(order_get(user=caller, order_id=order))
            said = sentence(protection)
        shown = {
            "state": protection.state,
            "sentence": said,
            "last_good_at": protection.good_at,
            "last_proven_at": protection.proven_at,
            "next_at": protection.next_at,
            "days": protection.days,
        }
        return Response(ProtectionSerializer(shown).data)
