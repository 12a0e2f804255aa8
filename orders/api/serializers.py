"""Orders as the API shows them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from common.api.fields import StrictBooleanField, StrictSerializer, UtcField


class CustomerSerializer(serializers.Serializer[Any]):
    """The customer of an order."""

    id = serializers.UUIDField()
    name = serializers.CharField()


class PlanSerializer(serializers.Serializer[Any]):
    """The plan of an order, as far as it concerns backups."""

    name = serializers.CharField()
    has_backups = serializers.BooleanField()
    backup_limit = serializers.IntegerField(help_text="Backups kept of each server.")


class OrderSerializer(serializers.Serializer[Any]):
    """An order."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    customer = CustomerSerializer()
    plan = PlanSerializer()
    suspended_at = UtcField(allow_null=True, help_text="Since then nothing new is made.")
    removal_at = UtcField(
        allow_null=True,
        help_text="Until then the backups of a suspended order can be downloaded; then they are removed.",
    )
    terminates = serializers.BooleanField(help_text="Whether the order itself is deleted then, too.")
    created_at = UtcField()


class SuspensionFields(StrictSerializer):
    """The parameters of a suspension."""

    terminates = StrictBooleanField(
        default=False, help_text="Delete the order with its backups at the date of their removal."
    )
