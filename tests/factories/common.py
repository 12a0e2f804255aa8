"""Rows of the models that all apps share."""

import hashlib
import uuid

import factory

from common.models import IdempotencyRecord


class IdempotencyRecordFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = IdempotencyRecord

    user_id = factory.LazyFunction(uuid.uuid4)
    path = "/api/v1/orders/"
    key = factory.Sequence(lambda number: f"key-{number}")
    body_sha256 = hashlib.sha256(b"").hexdigest()
    object_id = factory.LazyFunction(uuid.uuid4)
