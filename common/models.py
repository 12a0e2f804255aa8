"""Rows of the shared modules: the objects made under idempotency keys."""

from __future__ import annotations

from django.db import models


class IdempotencyRecord(models.Model):
    """The object that a POST with an Idempotency-Key made; a second POST with that key is answered with it."""

    user_id = models.UUIDField()
    path = models.CharField(max_length=300)
    key = models.CharField(max_length=255)
    body_sha256 = models.CharField(max_length=64)
    object_id = models.UUIDField()
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user_id", "path", "key"], name="idempotency_key_once_per_user_and_path"),
        ]

    def __str__(self) -> str:
        return f"{self.path} {self.key}"
