"""Idempotency keys: the same POST sent twice makes one object, also when both arrive at once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

from django.db import IntegrityError

from common.clock import database_now
from common.errors import ApplicationError, IdempotencyKeyReused
from common.models import IdempotencyRecord

T = TypeVar("T")
KEPT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """One caller's key for one path, with the digest of the body it came with."""

    user_id: UUID
    path: str
    key: str
    body_sha256: str


def idempotency_key_of(*, user_id: UUID, path: str, key: str, body: bytes) -> IdempotencyKey:
    """Return the key of a request from its raw parts."""
    return IdempotencyKey(user_id=user_id, path=path, key=key, body_sha256=hashlib.sha256(body).hexdigest())


def idempotency_find(key: IdempotencyKey | None) -> UUID | None:
    """Return the id of the object an earlier request with this key made, or None.

    Raises IdempotencyKeyReused when that request had another body.
    """
    if key is None:
        return None
    record = IdempotencyRecord.objects.filter(
        user_id=key.user_id, path=key.path, key=key.key, created_at__gte=database_now() - KEPT
    ).first()
    if record is None:
        return None
    if record.body_sha256 != key.body_sha256:
        raise IdempotencyKeyReused
    return record.object_id


def idempotency_store(key: IdempotencyKey | None, *, object_id: UUID) -> None:
    """Store the object that the key made. Call it in the transaction that makes the object.

    Raises IntegrityError when a twin was faster: the transaction must then be rolled back and the twin's object found.
    """
    if key is None:
        return
    expired = IdempotencyRecord.objects.filter(user_id=key.user_id, path=key.path, key=key.key)
    expired.filter(created_at__lt=database_now() - KEPT).delete()
    IdempotencyRecord.objects.create(
        user_id=key.user_id, path=key.path, key=key.key, body_sha256=key.body_sha256, object_id=object_id
    )


def idempotent(key: IdempotencyKey | None, *, find: Callable[[UUID], T], make: Callable[[], T]) -> T:
    """Return the object that an earlier request with this key made, as it is now, or else make it.

    `make` stores the key in the transaction in which it makes the object; when a twin was faster, the refusal of the
    database leads back to `find`.
    """
    if (object_id := idempotency_find(key)) is not None:
        return find(object_id)
    try:
        return make()
    except (IntegrityError, ApplicationError):
        if (object_id := idempotency_find(key)) is None:
            raise
        return find(object_id)


def idempotency_expire() -> int:
    """Forget keys older than a day; return how many."""
    return IdempotencyRecord.objects.filter(created_at__lt=database_now() - KEPT).delete()[0]
