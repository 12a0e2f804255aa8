"""Provisions as the API shows them: never how their sidecar is reached."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from common.api.fields import UtcField


class ProvisionSerializer(serializers.Serializer[Any]):
    """One running part of an order."""

    id = serializers.UUIDField()
    order = serializers.UUIDField(source="order_id")
    kind = serializers.CharField(help_text="`deployment`, `sidecar`, `database` or `volume`.")
    name = serializers.CharField()
    is_primary = serializers.BooleanField(help_text="Whether it is the order's main game server.")
    created_at = UtcField()
