"""Addresses of schedules and of protection."""

from __future__ import annotations

from django.urls import path

import common.api.paths  # noqa: F401  # registers <id:…>
from schedules.api.protection import OrderProtectionView
from schedules.web.fleet import FleetView
from schedules.web.usage import OrderUsagePageView

web = [
    path("fleet/", FleetView.as_view(), name="page-fleet"),
    path("orders/<id:order>/usage/", OrderUsagePageView.as_view(), name="page-order-usage"),
]

api = [
    path("orders/<id:order>/protection/", OrderProtectionView.as_view(), name="order-protection"),
]
