"""Schedules of a server, and of all servers of an order: list, create, show, change, delete, run."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import caller_of
from accounts.scopes import Scope
from backups.api.answers import CREATES
from common.api.fields import NoFields
from common.api.idempotency import idempotency_key
from common.api.pagination import NewestFirst
from common.api.schema import CURSOR_PARAMETER, IDEMPOTENCY_PARAMETER, page_of, problems
from common.api.views import ApiView, body_read
from common.errors import IdempotencyKeyReused, ValidationError
from orders.errors import OrderNotFound, OrderSuspended, PlanHasNoBackups
from provisions.errors import NotAPrimaryDeployment, PatternsForbidden, ProvisionNotFound
from schedules.api.serializers import (
    RunSerializer,
    ScheduleCreateFields,
    SchedulePreviewFields,
    SchedulePreviewSerializer,
    ScheduleSerializer,
    ScheduleUpdateFields,
    preview_shown,
    schedule_shown,
    schedules_shown,
)
from schedules.errors import ScheduleLimitReached, ScheduleNotFound, ScheduleOfPlan, SchedulesNotOffered
from schedules.models import Schedule
from schedules.preview import schedule_preview
from schedules.rules import Settings
from schedules.selectors import runs_of, schedule_get, schedules_of
from schedules.services.runs import schedule_run
from schedules.services.schedules import schedule_create, schedule_delete, schedule_update

SchedulePage = page_of(ScheduleSerializer, name="SchedulePage")
RunPage = page_of(RunSerializer, name="ScheduleRunPage")
OWNER = (OrderNotFound, ProvisionNotFound)
NOT_FOUND = (*OWNER, ScheduleNotFound)
CHANGE = (OrderSuspended, PlanHasNoBackups, SchedulesNotOffered, PatternsForbidden)


class ScheduleListView(ApiView):
    """The schedules of one server, or those of an order that back up all its servers."""

    scopes = {"GET": frozenset({Scope.VIEW}), "POST": frozenset({Scope.MANAGE})}

    @extend_schema(
        operation_id="schedules_list",
        parameters=[CURSOR_PARAMETER],
        responses={200: SchedulePage, **problems(ValidationError, *OWNER)},
    )
    def get(self, request: Request, order: UUID, provision: UUID | None = None) -> Response:
        """List the schedules, newest first."""
        pages = NewestFirst()
        schedules = schedules_of(user=caller_of(request), order_id=order, provision_id=provision)
        page = pages.paginate_queryset(schedules, request, self)
        return pages.get_paginated_response(schedules_shown(page))

    @extend_schema(
        parameters=[IDEMPOTENCY_PARAMETER],
        request=ScheduleCreateFields,
        responses={
            201: ScheduleSerializer,
            **problems(
                ValidationError, *OWNER, *CHANGE, NotAPrimaryDeployment, ScheduleLimitReached, IdempotencyKeyReused
            ),
        },
    )
    def post(self, request: Request, order: UUID, provision: UUID | None = None) -> Response:
        """Make a schedule. It runs for the first time at its next time."""
        user = caller_of(request)
        schedule = schedule_create(
            user=user,
            order_id=order,
            provision_id=provision,
            settings=Settings(**body_read(request, ScheduleCreateFields)),
            idempotency=idempotency_key(request, user_id=user.id),
        )
        return Response(schedule_shown(schedule), status=status.HTTP_201_CREATED)


@extend_schema_view(get=extend_schema(operation_id="orders_schedules_list"))
class OrderScheduleListView(ScheduleListView):
    """The schedules of an order: another operation in the description, and the same view."""


class ScheduleView(ApiView):
    """One schedule."""

    scopes = {
        "GET": frozenset({Scope.VIEW}),
        "PATCH": frozenset({Scope.MANAGE}),
        "DELETE": frozenset({Scope.MANAGE}),
    }

    @extend_schema(responses={200: ScheduleSerializer, **problems(*NOT_FOUND)})
    def get(self, request: Request, order: UUID, schedule: UUID, provision: UUID | None = None) -> Response:
        """Show one schedule."""
        return Response(schedule_shown(_schedule(request, order, provision, schedule)))

    @extend_schema(
        request=ScheduleUpdateFields,
        responses={200: ScheduleSerializer, **problems(ValidationError, *NOT_FOUND, *CHANGE, ScheduleOfPlan)},
    )
    def patch(self, request: Request, order: UUID, schedule: UUID, provision: UUID | None = None) -> Response:
        """Change a schedule, pause it, or let it go on: it then runs once for all that it missed."""
        changes: dict[str, Any] = body_read(request, ScheduleUpdateFields)
        found = _schedule(request, order, provision, schedule)
        return Response(schedule_shown(schedule_update(user=caller_of(request), schedule=found, changes=changes)))

    @extend_schema(responses={204: None, **problems(*NOT_FOUND, OrderSuspended, ScheduleOfPlan)})
    def delete(self, request: Request, order: UUID, schedule: UUID, provision: UUID | None = None) -> Response:
        """Delete a schedule. Its backups stay."""
        schedule_delete(user=caller_of(request), schedule=_schedule(request, order, provision, schedule))
        return Response(status=status.HTTP_204_NO_CONTENT)


class ScheduleRunView(ApiView):
    """A run of a schedule beside its times."""

    scopes = {"POST": frozenset({Scope.MANAGE})}

    @extend_schema(
        parameters=[IDEMPOTENCY_PARAMETER],
        request=None,
        responses={202: ScheduleSerializer, **problems(*NOT_FOUND, *CREATES, SchedulesNotOffered)},
    )
    def post(self, request: Request, order: UUID, schedule: UUID, provision: UUID | None = None) -> Response:
        """Run a schedule now. Its `last_run` names the backup."""
        user = caller_of(request)
        body_read(request, NoFields)
        found = _schedule(request, order, provision, schedule)
        schedule_run(user=user, schedule=found, idempotency=idempotency_key(request, user_id=user.id))
        return Response(schedule_shown(found), status=status.HTTP_202_ACCEPTED)


class SchedulePreviewView(ApiView):
    """The effect of a schedule that is not saved."""

    scopes = {"POST": frozenset({Scope.MANAGE})}

    @extend_schema(
        request=SchedulePreviewFields,
        responses={
            200: SchedulePreviewSerializer,
            **problems(ValidationError, *NOT_FOUND, PatternsForbidden, NotAPrimaryDeployment),
        },
    )
    def post(self, request: Request, order: UUID, provision: UUID | None = None) -> Response:
        """Show when a schedule would run, and the backups that would go once its next one is there."""
        fields = body_read(request, SchedulePreviewFields)
        changed: UUID | None = fields.pop("schedule", None)
        preview = schedule_preview(
            user=caller_of(request),
            order_id=order,
            provision_id=provision,
            settings=Settings(**fields),
            schedule_id=changed,
        )
        return Response(preview_shown(preview))


class NewestDueFirst(NewestFirst):
    """Pages of runs, the latest due time first."""

    by = "due_at"


class ScheduleRunListView(ApiView):
    """The runs of a schedule."""

    scopes = {"GET": frozenset({Scope.VIEW})}

    @extend_schema(parameters=[CURSOR_PARAMETER], responses={200: RunPage, **problems(ValidationError, *NOT_FOUND)})
    def get(self, request: Request, order: UUID, schedule: UUID, provision: UUID | None = None) -> Response:
        """List the runs of the last hundred days, the latest due time first."""
        pages = NewestDueFirst()
        page = pages.paginate_queryset(runs_of(_schedule(request, order, provision, schedule)), request, self)
        return pages.get_paginated_response(RunSerializer(page, many=True).data)


def _schedule(request: Request, order: UUID, provision: UUID | None, schedule: UUID) -> Schedule:
    return schedule_get(user=caller_of(request), order_id=order, provision_id=provision, schedule_id=schedule)
