"""The app's entry in Django's registry."""

import logging
from typing import Any

from django.apps import AppConfig

from wire.allocator import allocator_tune

log = logging.getLogger(__name__)


class BackupsConfig(AppConfig):
    """The product: backups, operations, targets, assets."""

    name = "backups"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register kinds and the guard of order deletion; prepare each worker when it is forked."""
        # Models exist only now.
        from django_q.signals import post_spawn

        from backups.kinds import KINDS
        from backups.services.reprovision import order_backups_release, order_not_busy
        from backups.services.told import operation_told
        from backups.services.volumes import volume_discard
        from backups.web.panels import head_of
        from notices.web.base import head_register
        from operations.kinds import kinds_register
        from operations.services.endings import endings_register
        from orders.services.orders import Dependents, dependents_register

        kinds_register(KINDS)
        endings_register(operation_told)
        head_register(head_of)
        dependents_register(
            Dependents(refuse=order_not_busy, release=order_backups_release, release_part=volume_discard)
        )
        post_spawn.connect(_worker_begins)


def _worker_begins(**_signal: Any) -> None:
    """Tune a new worker, before it has threads, and remove what a killed one left in clear on this machine."""
    from backups.trials.folder import trials_sweep

    allocator_tune()
    try:
        trials_sweep()
    except OSError:
        log.exception("the leftovers of test restores were not removed")
