"""The app's entry in Django's registry."""

from django.apps import AppConfig


class BackupsConfig(AppConfig):
    """The product: backups, operations, targets, assets."""

    name = "backups"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Let orders ask before they go."""
        # Models exist only now.
        from backups.services.reprovision import order_backups_release, order_not_busy
        from orders.services.orders import Dependents, dependents_register

        dependents_register(Dependents(refuse=order_not_busy, release=order_backups_release))
