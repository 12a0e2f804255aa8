"""Events, the notices of users, and what is sent outside."""

from notices.models.delivery import Channel, Delivery, DeliveryEvent, DeliveryState, Dispatch, Signal
from notices.models.endpoint import Endpoint, EndpointKind
from notices.models.event import Event, Notice
from notices.models.preference import Digest, Preference

__all__ = [
    "Channel",
    "Delivery",
    "DeliveryEvent",
    "DeliveryState",
    "Digest",
    "Dispatch",
    "Endpoint",
    "EndpointKind",
    "Event",
    "Notice",
    "Preference",
    "Signal",
]
