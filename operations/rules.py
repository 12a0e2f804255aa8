"""The rule for cancelling an operation."""

from __future__ import annotations

from collections.abc import Collection

from accounts.models import User
from common.errors import PermissionDenied
from operations.errors import StatusConflict
from operations.kinds import kind_of
from operations.models import LIVE_STATES, Operation
from orders.rights import OrderRight, order_change_require, order_rights


def cancel_require(*, user: User, operation: Operation, rights: Collection[OrderRight] | None = None) -> None:
    """Raise StatusConflict when it is over or cannot stop half way, PermissionDenied, OrderSuspended.

    Its requester may always end a hold, also when the right to take one was withdrawn since. An operation of no order
    is staff's. rights: the caller's on the order, where they are known already.
    """
    kind = kind_of(operation)
    if kind.cancel_right is None or operation.state not in LIVE_STATES:
        raise StatusConflict(status=operation.get_state_display())
    if operation.order is None:
        if not user.has_perm("operations.change_operation"):
            raise PermissionDenied
        return
    if not (operation.is_hold and operation.requested_by_id == user.id):
        held = order_rights(user, operation.order) if rights is None else rights
        if kind.cancel_right not in held:
            raise PermissionDenied
    order_change_require(user, operation.order)
