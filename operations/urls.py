"""Addresses of operations."""

from __future__ import annotations

from django.urls import path

import common.api.paths  # noqa: F401  # registers <id:…>
from operations.api.views import OperationCancelView, OperationView

api = [
    path("operations/<id:operation>/", OperationView.as_view(), name="operation"),
    path("operations/<id:operation>/cancel/", OperationCancelView.as_view(), name="operation-cancel"),
]
