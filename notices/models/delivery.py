"""Messages on their way to one receiver."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from notices.models.endpoint import Endpoint
from notices.models.event import Event


class Channel(models.TextChoices):
    """The way a message takes."""

    MAIL = "mail", _("Mail")
    WEBHOOK = "webhook", _("Webhook")
    DISCORD = "discord", "Discord"
    HEARTBEAT = "heartbeat", _("Heartbeat")
    STAFF = "staff", _("Staff channel")


class DeliveryState(models.TextChoices):
    """The state of a message."""

    QUEUED = "queued", pgettext_lazy("state of a message", "Waiting")
    SENDING = "sending", pgettext_lazy("state of a message", "Being sent")
    DELIVERED = "delivered", pgettext_lazy("state of a message", "Delivered")
    FAILED = "failed", pgettext_lazy("state of a message", "Not delivered")


class Signal(models.TextChoices):
    """What a heartbeat says of a run; a test says nothing of any."""

    START = "start", pgettext_lazy("signal of a heartbeat", "Start")
    SUCCESS = "success", pgettext_lazy("signal of a heartbeat", "Success")
    FAILURE = "failure", pgettext_lazy("signal of a heartbeat", "Failure")
    TEST = "test", pgettext_lazy("signal of a heartbeat", "Test")


class Delivery(models.Model):
    """One message to one user, to one address, or to the staff channels.

    events: those that it tells of; none for a heartbeat or a test, whose meaning is `signal`. message_id: the id that
    the receiver sees, the same when it is sent again. attempts: sendings that began. status, answer, seconds: the HTTP
    status of the last answer, the beginning of its body, and the time of that attempt. error: a code of
    `notices.errors`. A claim is lost when `claimed_at` is long ago.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    channel = models.CharField(_("channel"), max_length=16, choices=Channel.choices)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="+")
    endpoint = models.ForeignKey(
        Endpoint, on_delete=models.CASCADE, null=True, related_name="deliveries", db_index=False
    )
    events = models.ManyToManyField(Event, through="notices.DeliveryEvent", related_name="deliveries")
    message_id = models.UUIDField(default=uuid.uuid4)
    signal = models.CharField(max_length=16, choices=Signal.choices, blank=True)
    state = models.CharField(_("state"), max_length=16, choices=DeliveryState.choices, default=DeliveryState.QUEUED)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    not_before = models.DateTimeField(_("next attempt"))
    claimed_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)
    status = models.PositiveSmallIntegerField(_("status"), null=True)
    answer = models.TextField(blank=True)
    seconds = models.FloatField(null=True)
    error = models.CharField(_("error"), max_length=64, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        indexes = [
            models.Index(fields=["not_before"], name="delivery_due", condition=Q(state=DeliveryState.QUEUED)),
            models.Index(
                fields=["endpoint", "not_before"], name="delivery_due_of_endpoint",
                condition=Q(state=DeliveryState.QUEUED),
            ),
            models.Index(fields=["endpoint", "-created_at", "-id"], name="delivery_newest_of_endpoint"),
            models.Index(fields=["-created_at", "-id"], name="delivery_newest"),
        ]  # fmt: skip
        constraints = [
            models.CheckConstraint(name="delivery_channel_known", condition=Q(channel__in=Channel.values)),
            models.CheckConstraint(name="delivery_state_known", condition=Q(state__in=DeliveryState.values)),
            models.CheckConstraint(
                name="delivery_one_receiver",
                condition=Q(channel=Channel.MAIL, user__isnull=False, endpoint__isnull=True)
                | Q(channel=Channel.STAFF, user__isnull=True, endpoint__isnull=True)
                | (
                    Q(channel__in=[Channel.WEBHOOK, Channel.DISCORD, Channel.HEARTBEAT])
                    & Q(user__isnull=True, endpoint__isnull=False)
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.id}"


class DeliveryEvent(models.Model):
    """One event in a message."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="+")
    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["delivery", "event"], name="delivery_tells_an_event_once")]

    def __str__(self) -> str:
        return f"{self.delivery_id} {self.event_id}"


class Dispatch(models.Model):
    """The one row whose holder routes and sends, until its time: of all workers one is busy with messages."""

    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"until {self.until:%Y-%m-%d %H:%M:%S}"
