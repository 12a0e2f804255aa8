"""Callbacks of the layers above when operations end."""

from __future__ import annotations

from collections.abc import Callable

from operations.models import Operation

Ended = Callable[[Operation], None]

_callbacks: list[Ended] = []


def endings_register(callback: Ended) -> None:
    """Call this with every operation that ends, as it is then; called once, when the app of the callback is ready.

    The call is part of the transaction that ends the operation, after all that the kind itself writes.
    """
    if callback not in _callbacks:
        _callbacks.append(callback)


def operation_ended(operation: Operation) -> None:
    """Run the callbacks for an operation that ends in this transaction."""
    if _callbacks:
        ended = Operation.objects.select_related("order__customer", "order__plan").get(id=operation.id)
        for callback in _callbacks:
            callback(ended)
