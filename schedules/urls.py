"""Addresses of schedules, triggers and protection."""

from __future__ import annotations

from django.urls import path

import common.api.paths  # noqa: F401  # registers <id:…>
from schedules.api.protection import OrderProtectionView
from schedules.api.schedules import (
    ScheduleListView,
    SchedulePreviewView,
    ScheduleRunListView,
    ScheduleRunView,
    ScheduleView,
)
from schedules.api.triggers import TriggerListView, TriggerView
from schedules.api.updates import UpdateTriggerView
from schedules.web.fleet import FleetView
from schedules.web.usage import OrderUsagePageView

_ORDER = "orders/<id:order>/schedules/"
_SERVER = "orders/<id:order>/provisions/<id:provision>/schedules/"
_PROVISION = "orders/<id:order>/provisions/<id:provision>/"

web = [
    path("fleet/", FleetView.as_view(), name="page-fleet"),
    path("orders/<id:order>/usage/", OrderUsagePageView.as_view(), name="page-order-usage"),
]

api = [
    path("orders/<id:order>/protection/", OrderProtectionView.as_view(), name="order-protection"),
    path("orders/<id:order>/triggers/update/", UpdateTriggerView.as_view(), name="trigger-update"),
    path(_ORDER, ScheduleListView.as_view(), name="order-schedules"),
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
