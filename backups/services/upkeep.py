"""What is done now and then without anybody asking: every minute while storage holds something doomed, else hourly."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from accounts.services.sessions import sessions_expire
from backups.reconcile.run import reconcile_upkeep
from backups.services.safety import safety_expire
from backups.services.sweep import storage_sweep
from common.idempotency import idempotency_expire
from provisions.services.sidecar_certificates import sidecar_certificates_renew_due

log = logging.getLogger(__name__)

CHORES: Final[tuple[Callable[[], object], ...]] = (
    idempotency_expire,
    sessions_expire,
    safety_expire,
    storage_sweep,
    reconcile_upkeep,
    sidecar_certificates_renew_due,
)


def upkeep_run() -> None:
    """Do every chore; one that fails keeps no other from being done."""
    for chore in CHORES:
        try:
            chore()
        except Exception:
            log.exception("upkeep: %s failed", chore.__name__)
