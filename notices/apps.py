"""The app's entry in Django's registry."""

from django.apps import AppConfig


class NoticesConfig(AppConfig):
    """Events in; inbox, mail, webhooks, Discord, heartbeats and staff channels out."""

    name = "notices"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Record what happens to orders, which stand below and cannot call this app."""
        # Models exist only now.
        from notices.services.events import suspension_record
        from orders.services.suspension import suspension_listen

        suspension_listen(suspension_record)
