"""The app's entry in Django's registry."""

from django.apps import AppConfig


class VaultConfig(AppConfig):
    """Targets, keys, stored objects."""

    name = "vault"
    default_auto_field = "django.db.models.BigAutoField"
