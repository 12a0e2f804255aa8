"""The app's entry in Django's registry."""

from django.apps import AppConfig


class SchedulesConfig(AppConfig):
    """Schedules, their runs, retention."""

    name = "schedules"
    default_auto_field = "django.db.models.BigAutoField"
