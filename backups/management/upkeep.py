"""Operations of repositories from the command line: run here, or by a worker that is faster."""

from __future__ import annotations

import time
from uuid import UUID

from django.core.management.base import CommandError

from common.errors import error_detail
from operations.models import Operation
from operations.work.run import operation_answer
from vault.models import StorageTarget

LOOK_SECONDS = 0.5


def target_named(name: str) -> StorageTarget:
    """The target with this name or id. Raises CommandError."""
    targets = StorageTarget.objects.defer("secrets")
    found = targets.filter(name=name).first()
    if found is None:
        try:
            found = targets.filter(id=UUID(name)).first()
        except ValueError:
            found = None
    if found is None:
        raise CommandError(f"There is no storage target {name}.")
    return found


def operation_await(operation: Operation) -> Operation:
    """Run an operation in this process unless a worker has it, and return it when it is over."""
    operation_answer(operation.id)
    while True:
        operation = Operation.objects.get(id=operation.id)
        if not operation.is_live:
            return operation
        time.sleep(LOOK_SECONDS)  # a worker does it; its row tells the progress
        operation_answer(operation.id)


def reason_of(operation: Operation) -> str:
    """Why an operation did not succeed, as a sentence."""
    return error_detail(code=operation.error_code, params=operation.error_params)
