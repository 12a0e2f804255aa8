"""Findings of the reconciler."""

from __future__ import annotations

from uuid import UUID

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

NOBODY = UUID(int=0)
"""The id for objects without one, such as the database itself."""


class Invariant(models.TextChoices):
    """The invariants, numbered as in docs/architecture.md."""

    I1 = "I1", _("I1: every ready backup restores")
    I3 = "I3", _("I3: what is shown is what operations did")
    I4 = "I4", _("I4: one active operation an order")
    I5 = "I5", _("I5: never more backups than promised")
    I6 = "I6", _("I6: everything in storage has an owner")
    I7 = "I7", _("I7: files wholly before or wholly after")


class Finding(models.Model):
    """One broken invariant of one object. The sentence is made from code and params when it is shown.

    object_type and object_id name the object; key is its key in storage, empty for anything else. confirmed_at: when it
    began to count; before, it was seen for less than the grace of its kind, and work in progress may still correct it.
    gone_at: when a later check found that the invariant holds. repaired_at: the first repair. Times are the database's.
    """

    invariant = models.CharField(_("invariant"), max_length=2, choices=Invariant.choices)
    code = models.CharField(_("code"), max_length=64)
    object_type = models.CharField(_("object"), max_length=32)
    object_id = models.UUIDField(default=NOBODY)
    key = models.CharField(_("key"), max_length=512, blank=True)
    params = models.JSONField(default=dict)
    first_seen_at = models.DateTimeField(_("first seen"))
    last_seen_at = models.DateTimeField(_("last seen"))
    confirmed_at = models.DateTimeField(null=True)
    gone_at = models.DateTimeField(_("gone"), null=True)
    repaired_at = models.DateTimeField(_("repaired"), null=True)

    class Meta:
        verbose_name = _("finding")
        verbose_name_plural = _("findings")
        indexes = [
            models.Index(fields=["-last_seen_at", "-id"], name="finding_newest"),
            models.Index(fields=["gone_at"], name="finding_gone", condition=Q(gone_at__isnull=False)),
        ]
        constraints = [
            models.UniqueConstraint(
                name="finding_open_once",
                fields=["code", "object_type", "object_id", "key"],
                condition=Q(gone_at__isnull=True),
            ),
            models.CheckConstraint(name="finding_invariant_known", condition=Q(invariant__in=Invariant.values)),
        ]

    def __str__(self) -> str:
        return f"{self.invariant} {self.code} {self.key or self.object_id}"
