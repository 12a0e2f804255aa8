"""Schedules and their runs, and triggers."""

from schedules.models.run import OPEN_STATES, RunState, ScheduleRun
from schedules.models.schedule import Schedule
from schedules.models.trigger import Trigger, TriggerKind

__all__ = ["OPEN_STATES", "RunState", "Schedule", "ScheduleRun", "Trigger", "TriggerKind"]
