"""Schedules and their runs."""

from schedules.models.run import OPEN_STATES, RunState, ScheduleRun
from schedules.models.schedule import Schedule

__all__ = ["OPEN_STATES", "RunState", "Schedule", "ScheduleRun"]
