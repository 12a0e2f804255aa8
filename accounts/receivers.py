"""Changes that allauth and the admin make, written into the audit trail."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any
from uuid import UUID

from allauth.account import signals as account
from allauth.mfa import signals as second_factor
from allauth.mfa.models import Authenticator
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.db.models.signals import post_save
from django.dispatch import Signal

from accounts.models import User
from accounts.services.audit import audit_record

_ACTIONS: tuple[tuple[Signal, str], ...] = (
    (account.password_changed, "password.change"),
    (account.password_reset, "password.reset"),
    (second_factor.authenticator_added, "second_factor.add"),
    (second_factor.authenticator_removed, "second_factor.remove"),
    (second_factor.authenticator_reset, "recovery_codes.make"),
)

_ADMIN_ACTIONS = {ADDITION: "admin.add", CHANGE: "admin.change", DELETION: "admin.delete"}


def receivers_connect() -> None:
    """Listen from now on; calling it twice changes nothing."""
    for signal, action in _ACTIONS:
        signal.connect(_recorder(action), weak=False, dispatch_uid=f"audit {action}")
    post_save.connect(_admin_record, sender=LogEntry, weak=False, dispatch_uid="audit admin")


def _recorder(action: str) -> Any:
    def record(*, user: User, authenticator: Authenticator | None = None, **_rest: object) -> None:
        # Recovery codes come and go with the authenticator app; only their renewal is an event of its own.
        if authenticator is None or authenticator.type == Authenticator.Type.TOTP or action == "recovery_codes.make":
            audit_record(actor=user, action=action, object_id=user.id)

    return record


def _admin_record(*, instance: LogEntry, created: bool, **_rest: object) -> None:
    # Rows of Django's own history can be deleted; the audit trail is append-only.
    if not created:
        return
    object_id = None
    with suppress(ValueError):
        object_id = UUID(str(instance.object_id))
    kind = instance.content_type
    try:
        changes = json.loads(instance.change_message or "[]")
    except ValueError:
        changes = instance.change_message
    audit_record(
        actor=instance.user,
        action=_ADMIN_ACTIONS[instance.action_flag],
        object_id=object_id,
        model=f"{kind.app_label}.{kind.model}" if kind else "",
        key=str(instance.object_id),
        changes=changes,
    )
