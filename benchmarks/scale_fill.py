"""The rows of the big database, model by model, from temporary tables that plan them."""

from __future__ import annotations

from accounts.models import AuditEvent, Customer, User
from backups.models import Backup, OperationBackup
from benchmarks.scale_rows import rows_multiply
from operations.models import Operation
from orders.models import Order, OrderUserPermission
from provisions.models import Provision
from schedules.models import Schedule
from vault.models import Asset, StoredObject

_BACKUPS = "seed_backup AS b"
_KEY = "'backups/' || b.order_id || '/' || b.id || '.tar.gz'"
_IN_ORDER = "ORDER BY b.at"
"""The oldest first, as they would have come: the backups of one order lie far apart in the table."""


def people_fill(*, customers: int) -> None:
    """Users, the first of them customers."""
    rows_multiply(
        User,
        rows="seed_user AS u",
        values={"id": "u.id", "username": "'owner-' || u.n", "email": "'owner-' || u.n || '@example.com'"},
    )
    rows_multiply(
        Customer,
        rows="seed_user AS u",
        values={"id": "u.customer_id", "owner_id": "u.id", "name": "'Customer ' || u.n"},
        on=f"u.n <= {customers}",
    )


def orders_fill() -> None:
    """Orders, each with its server and a sidecar; every twentieth has a member, who owns another one."""
    rows_multiply(
        Order,
        rows="seed_order AS o",
        values={"id": "o.id", "customer_id": "o.customer_id", "name": "'Server ' || o.n", "created_at": "o.at"},
        on="template.name = CASE WHEN o.backups > 20 THEN 'large' ELSE 'small' END",
        order="ORDER BY o.at",
    )
    rows_multiply(
        Provision,
        rows="seed_order AS o",
        values={
            "id": "CASE WHEN template.is_primary THEN o.server_id ELSE o.sidecar_id END",
            "order_id": "o.id",
            "created_at": "o.at",
        },
        order="ORDER BY o.at",
    )
    rows_multiply(
        OrderUserPermission,
        rows="seed_order AS o JOIN seed_user AS u ON o.n % 20 = 0 AND u.n = o.n / 20",
        values={"content_object_id": "o.id", "user_id": "u.id"},
    )


def storage_fill() -> None:
    """Stored objects and assets: an object for every backup, an asset for those that can be downloaded."""
    rows_multiply(
        StoredObject,
        rows=_BACKUPS,
        values={"key": _KEY, "backup_id": "b.id", "created_at": "b.at"},
        order=_IN_ORDER,
    )
    rows_multiply(
        Asset,
        rows=_BACKUPS,
        values={
            "id": "b.asset_id",
            "customer_id": "b.customer_id",
            "key": _KEY,
            "sha256": "encode(sha256(b.id::text::bytea), 'hex')",
            "size_bytes": "b.size_bytes",
            "stored_bytes": "b.size_bytes + 16000",
            "created_at": "b.at + b.took",
        },
        on="b.shape IN ('ready', 'restoring')",
        order=_IN_ORDER,
    )


def backups_fill() -> None:
    """Backups, the operation of each, and its audit event."""
    rows_multiply(
        Operation,
        rows=_BACKUPS,
        values={
            "id": "b.operation_id",
            "order_id": "b.order_id",
            "requested_by_id": "b.owner_id",
            "worker": "''",
            "bytes_total": "b.size_bytes",
            "bytes_done": "CASE WHEN template.finished_at IS NULL THEN b.size_bytes / 3 ELSE b.size_bytes END",
            "created_at": "b.at",
            "started_at": "template.started_at - template.started_at + b.at",
            "finished_at": "template.finished_at - template.finished_at + b.at + b.took",
        },
        on="template.worker = b.shape",
        order=_IN_ORDER,
    )
    rows_multiply(
        Backup,
        rows=_BACKUPS,
        values={
            "id": "b.id",
            "order_id": "b.order_id",
            "provision_id": "b.server_id",
            "operation_id": "b.operation_id",
            "asset_id": "CASE WHEN template.asset_id IS NOT NULL THEN b.asset_id END",
            "name": "'Backup ' || to_char(b.at, 'YYYY-MM-DD HH24:MI')",
            "size_bytes": "CASE WHEN template.size_bytes IS NOT NULL THEN b.size_bytes END",
            "created_at": "b.at",
            "completed_at": "template.completed_at - template.completed_at + b.at + b.took",
        },
        on="template.name = b.shape",
        order=_IN_ORDER,
    )
    rows_multiply(
        OperationBackup,
        rows=_BACKUPS,
        values={"operation_id": "b.operation_id", "backup_id": "b.id"},
        order=_IN_ORDER,
    )
    rows_multiply(
        AuditEvent,
        rows=_BACKUPS,
        values={"at": "b.at", "actor_id": "b.owner_id", "order_id": "b.order_id", "object_id": "b.id"},
        order=_IN_ORDER,
    )


def schedules_fill() -> None:
    """A schedule for each order, due within the next day."""
    rows_multiply(
        Schedule,
        rows="seed_order AS o",
        values={
            "id": "gen_random_uuid()",
            "order_id": "o.id",
            "created_at": "o.at",
            "next_due_at": "now() + interval '2 hours' + interval '22 hours' * random()",
        },
        order="ORDER BY o.at",
    )
