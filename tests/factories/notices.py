"""Events, notices, addresses and messages."""

from datetime import UTC, datetime

import factory

from notices.kinds import EventKind
from notices.models import (
    Channel,
    Delivery,
    DeliveryEvent,
    Dispatch,
    Endpoint,
    EndpointKind,
    Event,
    Notice,
    Preference,
)
from tests.factories.accounts import UserFactory
from tests.factories.orders import OrderFactory

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


class EventFactory(factory.django.DjangoModelFactory):
    """A failed backup that nobody was told of yet."""

    class Meta:
        model = Event

    kind = EventKind.BACKUP_FAILED
    order = factory.SubFactory(OrderFactory)
    code = "storage_unavailable"
    params = factory.LazyFunction(lambda: {"name": "Nightly", "server": "World"})


class NoticeFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Notice

    user = factory.SubFactory(UserFactory)
    event = factory.SubFactory(EventFactory)


class PreferenceFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Preference

    user = factory.SubFactory(UserFactory)


class EndpointFactory(factory.django.DjangoModelFactory):
    """A webhook."""

    class Meta:
        model = Endpoint

    class Params:
        heartbeat = factory.Trait(kind=EndpointKind.HEARTBEAT, secret=None)
        discord = factory.Trait(kind=EndpointKind.DISCORD, secret=None, url="https://discord.com/api/webhooks/1/token")

    order = factory.SubFactory(OrderFactory)
    kind = EndpointKind.WEBHOOK
    url = "https://1.1.1.1/hook"
    secret = "whsec_" + "QUFB" * 10


class DeliveryFactory(factory.django.DjangoModelFactory):
    """A message to a webhook, due."""

    class Meta:
        model = Delivery

    channel = Channel.WEBHOOK
    endpoint = factory.SubFactory(EndpointFactory)
    not_before = LONG_AGO


class DeliveryEventFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = DeliveryEvent

    delivery = factory.SubFactory(DeliveryFactory)
    event = factory.SubFactory(EventFactory)


class DispatchFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Dispatch

    until = LONG_AGO
