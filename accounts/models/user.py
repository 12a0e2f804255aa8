"""A person or a bot that signs in."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models.fields import LowercaseEmailField
from accounts.preferences import time_zone_validate

NAME_LENGTH_MAX = 150


class Theme(models.TextChoices):
    """The colours of the pages."""

    AUTO = "auto", pgettext_lazy("colours of the pages", "As the device is set")
    LIGHT = "light", pgettext_lazy("colours of the pages", "Light")
    DARK = "dark", pgettext_lazy("colours of the pages", "Dark")


class User(AbstractUser):
    """A person or bot that signs in. Rights on an order are stored with the order, never here."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    first_name = None  # type: ignore[assignment]  # this is how Django takes away a base's column
    last_name = None  # type: ignore[assignment]  # likewise: names are one line, not two halves
    name = models.CharField(_("name"), max_length=NAME_LENGTH_MAX, blank=True)
    email = LowercaseEmailField(_("e-mail address"), blank=True)
    language = models.CharField(
        _("language"),
        max_length=16,
        blank=True,
        choices=settings.LANGUAGES,
        help_text=_("Empty: the language of the browser."),
    )
    time_zone = models.CharField(
        _("time zone"),
        max_length=64,
        blank=True,
        validators=[time_zone_validate],
        help_text=_("Empty: the time zone of the browser."),
    )
    theme = models.CharField(_("colours"), max_length=8, choices=Theme.choices, default=Theme.AUTO)

    class Meta(AbstractUser.Meta):
        constraints = [
            models.UniqueConstraint(
                Lower("email"),
                name="user_email_once",
                condition=~Q(email=""),
                violation_error_message=_("Another user has this e-mail address."),
            ),
            # Sign-in ignores case.
            models.UniqueConstraint(
                Lower("username"),
                name="user_username_once",
                violation_error_message=_("Another user has this user name."),
            ),
            models.CheckConstraint(
                name="user_language_known",
                condition=Q(language__in=["", *(code for code, _name in settings.LANGUAGES)]),
            ),
            models.CheckConstraint(name="user_theme_known", condition=Q(theme__in=Theme.values)),
        ]

    def get_full_name(self) -> str:
        """The display name, or the user name if there is none."""
        return self.name or self.username

    def get_short_name(self) -> str:
        """The display name too: no rule tells which part of a name is the short one."""
        return self.get_full_name()
