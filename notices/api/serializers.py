"""Webhooks and their messages as the API reads and shows them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from common.api.fields import StrictBooleanField, StrictSerializer, UtcField
from notices.kinds import EventKind
from notices.models import Delivery, DeliveryState, Signal
from notices.sending.texts import TEST_TYPE

EVENTS = [kind.value for kind in EventKind]


class EventsField(serializers.ListField):
    """Names of events, each once."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(child=serializers.ChoiceField(choices=EVENTS), max_length=len(EVENTS), **kwargs)

    def to_internal_value(self, data: Any) -> list[str]:
        """The names, sorted."""
        return sorted(set(super().to_internal_value(data)))


class WebhookFields(StrictSerializer):
    """The body that adds a webhook."""

    url = serializers.CharField(max_length=2000, help_text="Where messages are posted; https, on the public internet.")
    events = EventsField(required=False, default=list, help_text="The events that are sent; empty for all.")
    active = StrictBooleanField(required=False, default=True)


class WebhookChanges(StrictSerializer):
    """The body that changes a webhook."""

    url = serializers.CharField(required=False, max_length=2000)
    events = EventsField(required=False)
    active = StrictBooleanField(required=False, help_text="Turning it on tries everything that waits at once.")


class WebhookSerializer(serializers.Serializer[Any]):
    """A webhook."""

    id = serializers.UUIDField()
    url = serializers.CharField()
    events = serializers.ListField(child=serializers.CharField(), help_text="Empty for all.")
    active = serializers.BooleanField()
    failures = serializers.IntegerField(help_text="Attempts in a row that failed.")
    created_at = UtcField()


class NewWebhookSerializer(WebhookSerializer):
    """A webhook with its new secret, which is shown this once."""

    secret = serializers.CharField(help_text="`whsec_…`, by Standard Webhooks; it is not shown again.")


class DeliverySerializer(serializers.Serializer[Any]):
    """A message to a webhook."""

    id = serializers.UUIDField()
    message_id = serializers.SerializerMethodField(help_text="The header `webhook-id`.")
    events = serializers.SerializerMethodField(help_text="The types of its events; `webhook.test` of a test.")
    state = serializers.ChoiceField(choices=DeliveryState.values)
    attempts = serializers.IntegerField()
    status = serializers.IntegerField(allow_null=True, help_text="The HTTP status of the last answer.")
    answer = serializers.CharField(help_text="The beginning of the last answer, at most 4 KiB.")
    seconds = serializers.FloatField(allow_null=True, help_text="The time of the last attempt.")
    error = serializers.CharField(allow_null=True, help_text="The code of the last failure.")
    created_at = UtcField()
    next_attempt_at = serializers.SerializerMethodField()
    finished_at = UtcField(allow_null=True)

    def get_message_id(self, row: Delivery) -> str:
        """The id that the receiver sees."""
        return f"msg_{row.message_id.hex}"

    def get_events(self, row: Delivery) -> list[str]:
        """The types of its events."""
        return [TEST_TYPE] if row.signal == Signal.TEST else [event.kind for event in row.events.all()]

    def get_next_attempt_at(self, row: Delivery) -> str | None:
        """When it is tried again, or None when it is over."""
        return UtcField().to_representation(row.not_before) if row.state == DeliveryState.QUEUED else None

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """The row; no error is null."""
        shown: dict[str, Any] = super().to_representation(instance)
        return {**shown, "error": shown["error"] or None}
