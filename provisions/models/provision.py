"""Provisions of an order: the game server, its sidecar, databases, volumes."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from common.fields import EncryptedTextField
from orders.models import Order
from orders.patterns import patterns_text_validate


class ProvisionKind(models.TextChoices):
    """The kind of a provision."""

    DEPLOYMENT = "deployment", _("deployment")
    SIDECAR = "sidecar", _("sidecar")
    DATABASE = "database", _("database")
    VOLUME = "volume", _("volume")


class Provision(models.Model):
    """One provision of an order.

    address, token: of a sidecar, how workers reach it (`127.0.0.1:5000` or `unix:/path`) and the secret they share;
    beyond this machine it is `HOST:PORT`, and certificates take the place of the secret. game_profile, can_stop,
    can_make_volumes: the game's profile, whether the sidecar can stop and start the game, and whether restores can make
    volumes beside it, as last reported. exclude: of the game server,
    the patterns of files that its backups leave out.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="provisions")
    kind = models.CharField(_("kind"), max_length=16, choices=ProvisionKind.choices)
    name = models.CharField(_("name"), max_length=100)
    is_primary = models.BooleanField(_("primary"), default=False)
    address = models.CharField(_("address"), max_length=300, blank=True)
    token = EncryptedTextField(null=True, blank=True, editable=False)
    game_profile = models.CharField(max_length=40, blank=True, editable=False)
    can_stop = models.BooleanField(default=False, editable=False)
    can_make_volumes = models.BooleanField(default=False, editable=False)
    exclude = models.TextField(
        _("files to leave out"),
        blank=True,
        validators=[patterns_text_validate],
        help_text=_("Patterns in the syntax of .gitignore, one on each line: backups leave out the files that match."),
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("provision")
        verbose_name_plural = _("provisions")
        constraints = [
            models.CheckConstraint(name="provision_kind_known", condition=models.Q(kind__in=ProvisionKind.values)),
            models.CheckConstraint(
                name="provision_primary_is_a_deployment",
                condition=models.Q(is_primary=False) | models.Q(kind=ProvisionKind.DEPLOYMENT),
            ),
            models.CheckConstraint(
                name="provision_sidecar_has_address",
                condition=~models.Q(kind=ProvisionKind.SIDECAR) | ~models.Q(address=""),
            ),
            models.UniqueConstraint(
                name="provision_one_primary_an_order", fields=["order"], condition=models.Q(is_primary=True)
            ),
            models.UniqueConstraint(
                name="provision_one_sidecar_an_order",
                fields=["order"],
                condition=models.Q(kind=ProvisionKind.SIDECAR),
            ),
        ]

    def __str__(self) -> str:
        return self.name
