"""Addresses of orders."""

from __future__ import annotations

from django.urls import path

import common.api.paths  # noqa: F401  # registers <id:…>
from orders.api.suspension import OrderSuspensionView
from orders.api.views import OrderListView, OrderView

api = [
    path("orders/", OrderListView.as_view(), name="order-list"),
    path("orders/<id:order>/", OrderView.as_view(), name="order"),
    path("orders/<id:order>/suspension/", OrderSuspensionView.as_view(), name="order-suspension"),
]
