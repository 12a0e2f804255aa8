"""Schedules, their runs, triggers, and rotations of backups; the protection of orders."""

from schedules.models.protection import OrderProtection
from schedules.models.rotation import Rotation
from schedules.models.run import OPEN_STATES, RunState, ScheduleRun
from schedules.models.schedule import Schedule
from schedules.models.trigger import Trigger, TriggerKind

__all__ = [
    "OPEN_STATES",
    "OrderProtection",
    "Rotation",
    "RunState",
    "Schedule",
    "ScheduleRun",
    "Trigger",
    "TriggerKind",
]
