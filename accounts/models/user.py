"""A person or a bot that signs in."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.translation import gettext_lazy as _


class User(AbstractUser):
    """Someone who signs in. What they may do on an order is said on the order, never here."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    language = models.CharField(_("language"), max_length=16, blank=True, help_text=_("Empty: the browser's."))
    time_zone = models.CharField(_("time zone"), max_length=64, blank=True, help_text=_("Empty: UTC."))
