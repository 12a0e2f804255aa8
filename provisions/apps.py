"""The app's entry in Django's registry."""

from django.apps import AppConfig


class ProvisionsConfig(AppConfig):
    """Game servers and the sidecars beside them."""

    name = "provisions"
    default_auto_field = "django.db.models.BigAutoField"
