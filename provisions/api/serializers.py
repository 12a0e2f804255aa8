"""Provisions as the API shows them, without address and token of the sidecar."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from common.api.fields import StrictSerializer, UtcField
from orders.api.patterns import PATTERNS_HELP, PatternsField
from orders.patterns import patterns_of
from provisions.models import Provision


class ProvisionSerializer(serializers.Serializer[Any]):
    """One running part of an order."""

    id = serializers.UUIDField()
    order = serializers.UUIDField(source="order_id")
    kind = serializers.CharField(help_text="`deployment`, `sidecar`, `database` or `volume`.")
    name = serializers.CharField()
    is_primary = serializers.BooleanField(help_text="Whether it is the order's main game server.")
    exclude = serializers.SerializerMethodField(help_text=f"{PATTERNS_HELP} They count for every backup of it.")
    created_at = UtcField()

    def get_exclude(self, provision: Provision) -> list[str]:
        """The patterns, one a line."""
        return patterns_of(provision.exclude)


class ProvisionUpdateFields(StrictSerializer):
    """The fields of a provision that can be changed."""

    exclude = PatternsField(help_text=f"{PATTERNS_HELP} They count for every later backup.")


class EnrolmentSerializer(StrictSerializer):
    """The request of a sidecar for its certificate."""

    token = serializers.CharField(max_length=100, help_text="The one-time token that an operator was shown.")
    request = serializers.CharField(max_length=10_000, help_text="PKCS #10, PEM; names in it are not read.")


class EnrolledSerializer(serializers.Serializer[Any]):
    """The answer to an enrolment."""

    certificate = serializers.CharField(help_text="The sidecar's certificate, PEM.")
    authorities = serializers.CharField(help_text="Who may sign the certificates of its callers, PEM.")
    provision = serializers.UUIDField(help_text="Which sidecar it is.")
