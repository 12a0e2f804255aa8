"""What allauth does to an account, written into the audit trail."""

from __future__ import annotations

from typing import Any

from allauth.account import signals as account
from allauth.mfa import signals as second_factor
from allauth.mfa.models import Authenticator
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


def receivers_connect() -> None:
    """Listen from now on; calling it twice changes nothing."""
    for signal, action in _ACTIONS:
        signal.connect(_recorder(action), weak=False, dispatch_uid=f"audit {action}")


def _recorder(action: str) -> Any:
    def record(*, user: User, authenticator: Authenticator | None = None, **_rest: object) -> None:
        # Recovery codes come and go with the authenticator app; what is told apart is whether somebody made new ones.
        if authenticator is None or authenticator.type == Authenticator.Type.TOTP or action == "recovery_codes.make":
            audit_record(actor=user, action=action, object_id=user.id)

    return record
