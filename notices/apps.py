"""The app's entry in Django's registry."""

from django.apps import AppConfig


class NoticesConfig(AppConfig):
    """Events in; inbox, mail, webhooks, Discord, heartbeats and staff channels out."""

    name = "notices"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Record what orders and plans tell: they stand below and cannot call this app."""
        # Models exist only now.
        from notices.services.orders import reductions_record, suspension_record
        from orders.services.plans import reductions_listen
        from orders.services.suspension import suspension_listen

        suspension_listen(suspension_record)
        reductions_listen(reductions_record)
