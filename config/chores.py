"""The table of chores, with their intervals."""

from __future__ import annotations

from datetime import timedelta

from accounts.services.sessions import sessions_expire
from backups.reconcile.run import reconcile_upkeep
from backups.services.exchanges import exchanges_settle
from backups.services.safety import safety_expire
from backups.services.upkeep import upkeep_due
from backups.services.usage import usage_sample
from common.idempotency import idempotency_expire
from operations.services.chores import Chore, chore_runs_expire
from provisions.services.sidecar_certificates import sidecar_certificates_renew_due
from schedules.services.firing import triggers_run
from vault.services.derived import derived_trim
from vault.services.sweep import objects_due, storage_sweep

HOURLY = timedelta(hours=1)
OFTEN = timedelta(minutes=5)
EACH_TICK = timedelta(seconds=30)

CHORES = (
    Chore(name="expire idempotency keys", every=HOURLY, run=idempotency_expire),
    Chore(name="expire sessions", every=HOURLY, run=sessions_expire),
    Chore(name="expire safety backups", every=HOURLY, run=safety_expire),
    Chore(name="sweep storage", every=HOURLY, run=storage_sweep, wanted=lambda: objects_due().exists()),
    Chore(name="trim derived files", every=HOURLY, run=derived_trim),
    Chore(name="settle exchanges", every=HOURLY, run=exchanges_settle),
    Chore(name="reconcile", every=HOURLY, run=reconcile_upkeep),
    Chore(name="sample usage", every=HOURLY, run=usage_sample),
    Chore(name="upkeep of repositories", every=OFTEN, run=upkeep_due),
    Chore(name="watch triggers", every=EACH_TICK, run=triggers_run),
    Chore(name="renew sidecar certificates", every=HOURLY, run=sidecar_certificates_renew_due),
    Chore(name="forget old runs of chores", every=HOURLY, run=chore_runs_expire),
)
