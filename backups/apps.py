"""The app's entry in Django's registry."""

from typing import Any

from django.apps import AppConfig

from wire.allocator import allocator_tune


class BackupsConfig(AppConfig):
    """The product: backups, operations, targets, assets."""

    name = "backups"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Let orders ask before they go, and tune each worker when it is forked, before it has threads."""
        # Models exist only now.
        from django_q.signals import post_spawn

        from backups.services.reprovision import order_backups_release, order_not_busy
        from backups.supervision.activity import activity_report
        from orders.services.orders import Dependents, dependents_register

        dependents_register(Dependents(refuse=order_not_busy, release=order_backups_release))
        post_spawn.connect(_worker_tune)
        activity_report()


def _worker_tune(**_signal: Any) -> None:
    allocator_tune()
