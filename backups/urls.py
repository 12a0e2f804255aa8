"""Addresses of backups and downloads."""

from __future__ import annotations

from django.urls import path

import common.api.paths  # noqa: F401  # registers <id:…>
from backups.api.assets import AssetView
from backups.api.backups import BackupListView, BackupView
from backups.api.bulk import BackupBulkView
from backups.api.estimates import EstimateView
from backups.api.file_content import BackupFileView
from backups.api.files import BackupFilesView
from backups.api.forecast import OrderForecastView
from backups.api.reprovision import OrderReprovisionView
from backups.api.restores import BackupPreviewView, BackupRestoreView, BackupUndoView
from backups.api.trials import OrderTrialsView
from backups.api.usage import OrderUsageView
from backups.api.verification import BackupVerifyView
from backups.api.versions import SearchView, VersionsView
from backups.web.backups import (
    BackupAcceptView,
    BackupCreateView,
    BackupDeleteView,
    BackupDetailView,
    BackupDownloadView,
    BackupLockView,
    BackupRenameView,
    BackupRetryView,
    OperationCancelPageView,
)
from backups.web.backups import BackupView as BackupPageView
from backups.web.bulk import BackupsBulkView
from backups.web.exclude import OrderExcludeView
from backups.web.files import BackupFileDownloadView, BackupFileRawView
from backups.web.files import BackupFilesView as BackupFilesPageView
from backups.web.files import BackupFileView as BackupFilePageView
from backups.web.history import ActivityView
from backups.web.order import OrderBackupsView, OrderView
from backups.web.orders import OrdersView
from backups.web.restore import BackupPreviewView as BackupPreviewPageView
from backups.web.restore import BackupRestoreView as BackupRestorePageView
from backups.web.restore import BackupUndoView as BackupUndoPageView
from backups.web.restore import BackupVolumeView
from backups.web.trials import TrialsPageView
from backups.web.verification import BackupVerifyPageView
from backups.web.versions import FileCompareView, OrderFilesView

_PROVISION = "orders/<id:order>/provisions/<id:provision>/"
_BACKUPS = f"{_PROVISION}backups/"

_ORDER = "orders/<id:order>/"
_BACKUP = f"{_ORDER}backups/<id:backup>/"

web = [
    path("", OrdersView.as_view(), name="home"),
    path(_ORDER, OrderView.as_view(), name="page-order"),
    path(f"{_ORDER}activity/", ActivityView.as_view(), name="page-order-activity"),
    path(f"{_ORDER}files/", OrderFilesView.as_view(), name="page-order-files"),
    path(f"{_ORDER}files/compare/", FileCompareView.as_view(), name="page-order-files-compare"),
    path(f"{_ORDER}backups/", OrderBackupsView.as_view(), name="page-order-backups"),
    path(f"{_ORDER}backups/bulk/", BackupsBulkView.as_view(), name="page-backups-bulk"),
    path(f"{_ORDER}test-restores/", TrialsPageView.as_view(), name="page-order-trials"),
    path(f"{_ORDER}exclude/", OrderExcludeView.as_view(), name="page-order-exclude"),
    path(f"{_ORDER}exclude/estimate/", OrderExcludeView.as_view(estimates=True), name="page-order-exclude-estimate"),
    path(f"{_ORDER}backups/create/", BackupCreateView.as_view(), name="page-backup-create"),
    path(
        f"{_ORDER}backups/create/estimate/",
        BackupCreateView.as_view(estimates=True),
        name="page-backup-create-estimate",
    ),
    path(_BACKUP, BackupPageView.as_view(), name="page-backup"),
    path(f"{_BACKUP}detail/", BackupDetailView.as_view(), name="page-backup-detail"),
    path(f"{_BACKUP}rename/", BackupRenameView.as_view(), name="page-backup-rename"),
    path(f"{_BACKUP}accept/", BackupAcceptView.as_view(), name="page-backup-accept"),
    path(f"{_BACKUP}lock/", BackupLockView.as_view(), name="page-backup-lock"),
    path(f"{_BACKUP}download/", BackupDownloadView.as_view(), name="page-backup-download"),
    path(f"{_BACKUP}files/", BackupFilesPageView.as_view(), name="page-backup-files"),
    path(f"{_BACKUP}files/file/", BackupFilePageView.as_view(), name="page-backup-file"),
    path(f"{_BACKUP}files/raw/", BackupFileRawView.as_view(), name="page-backup-file-raw"),
    path(f"{_BACKUP}files/download/", BackupFileDownloadView.as_view(), name="page-backup-file-download"),
    path(f"{_BACKUP}restore/", BackupRestorePageView.as_view(), name="page-backup-restore"),
    path(f"{_BACKUP}restore/preview/", BackupPreviewPageView.as_view(), name="page-backup-preview"),
    path(f"{_BACKUP}restore/volume/", BackupVolumeView.as_view(), name="page-backup-volume"),
    path(f"{_BACKUP}undo/", BackupUndoPageView.as_view(), name="page-backup-undo"),
    path(f"{_BACKUP}retry/", BackupRetryView.as_view(), name="page-backup-retry"),
    path(f"{_BACKUP}verify/", BackupVerifyPageView.as_view(), name="page-backup-verify"),
    path(f"{_BACKUP}delete/", BackupDeleteView.as_view(), name="page-backup-delete"),
    path(f"{_ORDER}operations/<id:operation>/cancel/", OperationCancelPageView.as_view(), name="page-operation-cancel"),
]

api = [
    path("orders/<id:order>/reprovision/", OrderReprovisionView.as_view(), name="order-reprovision"),
    path("orders/<id:order>/usage/", OrderUsageView.as_view(), name="order-usage"),
    path("orders/<id:order>/usage/forecast/", OrderForecastView.as_view(), name="order-usage-forecast"),
    path("orders/<id:order>/test-restores/", OrderTrialsView.as_view(), name="order-trials"),
    path(_BACKUPS, BackupListView.as_view(), name="backup-list"),
    path(f"{_BACKUPS}bulk/", BackupBulkView.as_view(), name="backup-bulk"),
    path("orders/<id:order>/provisions/<id:provision>/estimate/", EstimateView.as_view(), name="backup-estimate"),
    path(f"{_BACKUPS}<id:backup>/", BackupView.as_view(), name="backup"),
    path(f"{_BACKUPS}<id:backup>/files/", BackupFilesView.as_view(), name="backup-files"),
    path(f"{_BACKUPS}<id:backup>/files/content/", BackupFileView.as_view(), name="backup-file"),
    path(f"{_BACKUPS}<id:backup>/restore/", BackupRestoreView.as_view(), name="backup-restore"),
    path(f"{_BACKUPS}<id:backup>/restore/preview/", BackupPreviewView.as_view(), name="backup-restore-preview"),
    path(f"{_BACKUPS}<id:backup>/undo/", BackupUndoView.as_view(), name="backup-undo"),
    path(f"{_BACKUPS}<id:backup>/verify/", BackupVerifyView.as_view(), name="backup-verify"),
    path(f"{_PROVISION}versions/", VersionsView.as_view(), name="provision-versions"),
    path(f"{_PROVISION}search/", SearchView.as_view(), name="provision-search"),
    path("assets/<id:asset>/", AssetView.as_view(), name="asset"),
]
