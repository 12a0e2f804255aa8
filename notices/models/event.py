"""Events, and the entries of inboxes that they become."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from notices.kinds import EventKind, event_sentence, event_title, kind_choices
from orders.models import Order


class Event(models.Model):
    """Something that people are told of. Its service writes it in the transaction that causes it.

    order: null for an event of the portal, which staff are told of. subject_id: the backup, provision or target. code,
    params: the code of an error, and the parameters of the sentences; those of the error are under `error`. routed_at:
    when its notices were made.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(_("kind"), max_length=32, choices=kind_choices)
    order = models.ForeignKey(Order, on_delete=models.CASCADE, null=True, related_name="+", db_index=False)
    subject_id = models.UUIDField(_("object"), null=True)
    provision_id = models.UUIDField(null=True)
    schedule_id = models.UUIDField(null=True)
    code = models.CharField(max_length=64, blank=True)
    params = models.JSONField(default=dict)
    created_at = models.DateTimeField(_("at"), auto_now_add=True)
    routed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        indexes = [
            models.Index(fields=["created_at"], name="event_unrouted", condition=Q(routed_at__isnull=True)),
            models.Index(fields=["-created_at", "-id"], name="event_newest"),
            models.Index(fields=["order", "-created_at"], name="event_newest_of_order"),
            models.Index(fields=["subject_id", "kind", "-created_at"], name="event_newest_of_subject"),
        ]
        constraints = [
            models.CheckConstraint(name="event_kind_known", condition=Q(kind__in=[str(kind) for kind in EventKind])),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"

    @property
    def title(self) -> str:
        """The event in a few words of the active language."""
        return event_title(self.kind, self.params)

    @property
    def sentence(self) -> str:
        """The event as a sentence of the active language."""
        return event_sentence(kind=self.kind, code=self.code, params=self.params)


class Notice(models.Model):
    """An event in the inbox of one user."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="notices")
    read_at = models.DateTimeField(_("read at"), null=True)
    created_at = models.DateTimeField(_("at"), auto_now_add=True)

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        indexes = [
            models.Index(fields=["user", "-created_at", "-id"], name="notice_newest_of_user"),
            models.Index(fields=["user"], name="notice_unread", condition=Q(read_at__isnull=True)),
        ]
        constraints = [models.UniqueConstraint(fields=["user", "event"], name="notice_once_for_each_user")]

    def __str__(self) -> str:
        return f"{self.event_id} {self.user_id}"
