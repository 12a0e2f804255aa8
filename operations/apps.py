"""The app's entry in Django's registry."""

from django.apps import AppConfig


class OperationsConfig(AppConfig):
    """Long work of any kind, and the workers that do it."""

    name = "operations"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Let each worker tell its supervisor when it is busy."""
        # Models exist only now.
        from operations.supervision.busy import activity_report

        activity_report()
