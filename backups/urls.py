"""Addresses of backups, operations and downloads."""

from __future__ import annotations

from django.urls import path

import common.api.paths  # noqa: F401  # registers <id:…>
from backups.api.assets import AssetView
from backups.api.backups import BackupListView, BackupRestoreView, BackupView
from backups.api.operations import OperationCancelView, OperationView, OrderReprovisionView

_BACKUPS = "orders/<id:order>/provisions/<id:provision>/backups/"

api = [
    path("orders/<id:order>/reprovision/", OrderReprovisionView.as_view(), name="order-reprovision"),
    path(_BACKUPS, BackupListView.as_view(), name="backup-list"),
    path(f"{_BACKUPS}<id:backup>/", BackupView.as_view(), name="backup"),
    path(f"{_BACKUPS}<id:backup>/restore/", BackupRestoreView.as_view(), name="backup-restore"),
    path("operations/<id:operation>/", OperationView.as_view(), name="operation"),
    path("operations/<id:operation>/cancel/", OperationCancelView.as_view(), name="operation-cancel"),
    path("assets/<id:asset>/", AssetView.as_view(), name="asset"),
]
