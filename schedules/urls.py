"""Addresses of schedules and triggers."""

from __future__ import annotations

from django.urls import path

import common.api.paths  # noqa: F401  # registers <id:…>
from schedules.api.triggers import TriggerListView, TriggerView

_PROVISION = "orders/<id:order>/provisions/<id:provision>/"

api = [
    path(f"{_PROVISION}triggers/", TriggerListView.as_view(), name="trigger-list"),
    path(f"{_PROVISION}triggers/<str:kind>/", TriggerView.as_view(), name="trigger"),
]
