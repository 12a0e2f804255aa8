"""The table of chores, with their intervals."""

from __future__ import annotations

from datetime import timedelta

from accounts.services.sessions import sessions_expire
from backups.reconcile.run import reconcile_upkeep
from backups.services.archive_checks import archives_check_due
from backups.services.exchanges import exchanges_settle
from backups.services.safety import safety_expire
from backups.services.suspension import suspensions_advance
from backups.services.trials import trials_due
from backups.services.upkeep import upkeep_due
from backups.services.usage import usage_sample
from backups.trials.folder import trials_sweep
from common.idempotency import idempotency_expire
from notices.sending.dispatch import notices_dispatch, notices_due, notices_expire
from operations.services.chores import Chore, chore_runs_expire
from provisions.services.sidecar_certificates import sidecar_certificates_renew_due
from schedules.services.due import schedules_recover
from schedules.services.firing import triggers_run
from schedules.services.heartbeat import portal_heartbeat
from schedules.services.of_plan import plan_schedules_repair
from schedules.services.protection import protection_refresh
from schedules.services.reductions import reductions_advance, reductions_wanted
from schedules.services.rotation import rotations_apply, rotations_wanted
from schedules.services.runs import runs_expire, runs_wanted, schedules_tick
from vault.services.derived import derived_trim
from vault.services.sweep import objects_due, storage_sweep

HOURLY = timedelta(hours=1)
OFTEN = timedelta(minutes=5)
EVERY_TICK = timedelta(seconds=30)
"""Less than the tick's minute: each tick asks for it anew."""
SHORT = timedelta(minutes=5)
"""For what must not stand still for an hour after a worker was killed. A run is over sooner, and two do no harm."""

CHORES = (
    Chore(name="expire idempotency keys", every=HOURLY, run=idempotency_expire),
    Chore(name="expire sessions", every=HOURLY, run=sessions_expire),
    Chore(name="expire safety backups", every=HOURLY, run=safety_expire),
    Chore(name="rotate backups", every=OFTEN, run=rotations_apply, wanted=rotations_wanted, longest=SHORT),
    Chore(name="reductions of plans", every=HOURLY, run=reductions_advance, wanted=reductions_wanted),
    Chore(name="schedules of plans", every=OFTEN, run=plan_schedules_repair),
    Chore(name="remove backups of suspended orders", every=HOURLY, run=suspensions_advance),
    Chore(name="remove leftovers of test restores", every=HOURLY, run=trials_sweep),
    Chore(name="sweep storage", every=HOURLY, run=storage_sweep, wanted=lambda: objects_due().exists()),
    Chore(name="trim derived files", every=HOURLY, run=derived_trim),
    Chore(name="settle exchanges", every=HOURLY, run=exchanges_settle),
    Chore(name="reconcile", every=HOURLY, run=reconcile_upkeep),
    Chore(name="sample usage", every=HOURLY, run=usage_sample),
    # Before due schedules: after a standstill the alarm is raised for what is missing, and then the runs catch up.
    Chore(name="protection of orders", every=EVERY_TICK, run=protection_refresh, longest=SHORT),
    Chore(name="due schedules", every=HOURLY, run=schedules_tick, wanted=runs_wanted, longest=SHORT),
    Chore(name="recover schedules from a clock ahead", every=HOURLY, run=schedules_recover),
    Chore(name="forget old runs of schedules", every=HOURLY, run=runs_expire),
    Chore(name="heartbeat", every=EVERY_TICK, run=portal_heartbeat, longest=SHORT),
    Chore(name="read archives again", every=OFTEN, run=archives_check_due, longest=SHORT),
    Chore(name="start test restores", every=OFTEN, run=trials_due, longest=SHORT),
    Chore(name="upkeep of repositories", every=OFTEN, run=upkeep_due),
    Chore(name="notices", every=HOURLY, run=notices_dispatch, wanted=notices_due, longest=SHORT),
    Chore(name="forget old notices", every=HOURLY, run=notices_expire),
    Chore(name="watch triggers", every=EVERY_TICK, run=triggers_run, longest=SHORT),
    Chore(name="renew sidecar certificates", every=HOURLY, run=sidecar_certificates_renew_due),
    Chore(name="forget old runs of chores", every=HOURLY, run=chore_runs_expire),
)
