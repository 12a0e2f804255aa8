"""Writing the audit trail."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from accounts.models import AuditEvent, User


def audit_record(
    *, actor: User | None, action: str, order_id: UUID | None = None, object_id: UUID | None = None, **data: Any
) -> AuditEvent:
    """Record that `actor` (None: the product itself) did `action`. Call it in the transaction that does it."""
    return AuditEvent.objects.create(actor=actor, action=action, order_id=order_id, object_id=object_id, data=data)
