"""Addresses of schedules, triggers and protection."""

from __future__ import annotations

from django.urls import path

import common.api.paths  # noqa: F401  # registers <id:…>
from schedules.api.protection import OrderProtectionView
from schedules.api.schedules import (
    OrderScheduleListView,
    ScheduleListView,
    SchedulePreviewView,
    ScheduleRunListView,
    ScheduleRunView,
    ScheduleView,
)
from schedules.api.triggers import TriggerListView, TriggerView
from schedules.api.updates import UpdateTriggerView
from schedules.web import cards, schedules
from schedules.web.calendar import CalendarView
from schedules.web.fleet import FleetView
from schedules.web.triggers import TriggersPageView
from schedules.web.usage import OrderUsagePageView

_ORDER = "orders/<id:order>/schedules/"
_SCHEDULE = f"{_ORDER}<id:schedule>/"
_SERVER = "orders/<id:order>/provisions/<id:provision>/schedules/"
_PROVISION = "orders/<id:order>/provisions/<id:provision>/"

web = [
    path("fleet/", FleetView.as_view(), name="page-fleet"),
    path("orders/<id:order>/usage/", OrderUsagePageView.as_view(), name="page-order-usage"),
    path("orders/<id:order>/triggers/", TriggersPageView.as_view(), name="page-order-triggers"),
    path(_ORDER, cards.SchedulesView.as_view(), name="page-schedules"),
    path(f"{_ORDER}calendar/", CalendarView.as_view(), name="page-schedule-calendar"),
    path(f"{_ORDER}create/", schedules.ScheduleCreateView.as_view(), name="page-schedule-create"),
    path(
        f"{_ORDER}create/preview/",
        schedules.ScheduleCreateView.as_view(previews=True),
        name="page-schedule-create-preview",
    ),
    path(f"{_SCHEDULE}edit/", schedules.ScheduleEditView.as_view(), name="page-schedule-edit"),
    path(
        f"{_SCHEDULE}edit/preview/",
        schedules.ScheduleEditView.as_view(previews=True),
        name="page-schedule-edit-preview",
    ),
    path(f"{_SCHEDULE}run/", schedules.ScheduleRunPageView.as_view(), name="page-schedule-run"),
    path(f"{_SCHEDULE}pause/", schedules.SchedulePauseView.as_view(), name="page-schedule-pause"),
    path(f"{_SCHEDULE}delete/", schedules.ScheduleDeleteView.as_view(), name="page-schedule-delete"),
]

api = [
    path("orders/<id:order>/protection/", OrderProtectionView.as_view(), name="order-protection"),
    path("orders/<id:order>/triggers/update/", UpdateTriggerView.as_view(), name="trigger-update"),
    path(_ORDER, OrderScheduleListView.as_view(), name="order-schedules"),
    path(f"{_ORDER}preview/", SchedulePreviewView.as_view(), name="order-schedule-preview"),
    path(f"{_ORDER}<id:schedule>/", ScheduleView.as_view(), name="order-schedule"),
    path(f"{_ORDER}<id:schedule>/run/", ScheduleRunView.as_view(), name="order-schedule-run"),
    path(f"{_ORDER}<id:schedule>/runs/", ScheduleRunListView.as_view(), name="order-schedule-runs"),
    path(_SERVER, ScheduleListView.as_view(), name="schedules"),
    path(f"{_SERVER}preview/", SchedulePreviewView.as_view(), name="schedule-preview"),
    path(f"{_SERVER}<id:schedule>/", ScheduleView.as_view(), name="schedule"),
    path(f"{_SERVER}<id:schedule>/run/", ScheduleRunView.as_view(), name="schedule-run"),
    path(f"{_SERVER}<id:schedule>/runs/", ScheduleRunListView.as_view(), name="schedule-runs"),
    path(f"{_PROVISION}triggers/", TriggerListView.as_view(), name="trigger-list"),
    path(f"{_PROVISION}triggers/<str:kind>/", TriggerView.as_view(), name="trigger"),
]
