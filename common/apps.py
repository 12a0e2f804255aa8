"""The app of the shared plumbing."""

from django.apps import AppConfig


class CommonConfig(AppConfig):
    """Shared plumbing that knows no other app."""

    name = "common"
    default_auto_field = "django.db.models.BigAutoField"
