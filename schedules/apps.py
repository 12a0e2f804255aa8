"""The app's entry in Django's registry."""

from django.apps import AppConfig


class SchedulesConfig(AppConfig):
    """Schedules, their runs, retention."""

    name = "schedules"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Hear of operations that end."""
        # Models exist only now.
        from operations.services.endings import endings_register
        from schedules.services import rotation

        endings_register(rotation.backup_ended)
