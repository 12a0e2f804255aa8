"""Answers that the views of backups share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django.urls import reverse
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from backups.api.serializers import BackupSerializer
from backups.errors import (
    BackupNotFound,
    BackupTooSoon,
    LimitReached,
    OperationInProgress,
    QuotaExceeded,
    SourceNotOffered,
)
from backups.models import Backup
from common.errors import IdempotencyKeyReused
from orders.errors import OrderNotFound, OrderSuspended, PlanHasNoBackups
from provisions.errors import NoSidecar, NotAPrimaryDeployment, ProvisionNotFound

NOT_FOUND: Final = (OrderNotFound, ProvisionNotFound, BackupNotFound)
RULES: Final = (
    IdempotencyKeyReused,
    OrderSuspended,
    PlanHasNoBackups,
    NotAPrimaryDeployment,
    NoSidecar,
    OperationInProgress,
)
CREATES: Final = (*RULES, SourceNotOffered, BackupTooSoon, LimitReached, QuotaExceeded)
"""The errors of a new backup."""


def backups_shown(backups: Sequence[Backup]) -> list[Any]:
    """Backups as JSON."""
    return list(BackupSerializer(backups, many=True).data)


def backup_shown(backup: Backup) -> Any:
    """One backup as JSON."""
    return backups_shown([backup])[0]


def backup_accepted(request: Request, backup: Backup) -> Response:
    """The answer 202: the backup that the work has begun on, and its address."""
    address = reverse(
        "backup", kwargs={"order": backup.order_id, "provision": backup.provision_id, "backup": backup.id}
    )
    location = request.build_absolute_uri(address)
    return Response(backup_shown(backup), status=status.HTTP_202_ACCEPTED, headers={"Location": location})
