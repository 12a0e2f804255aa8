"""Schedules, their runs, and rotations of backups."""

from schedules.models.rotation import Rotation
from schedules.models.run import OPEN_STATES, RunState, ScheduleRun
from schedules.models.schedule import Schedule

__all__ = ["OPEN_STATES", "Rotation", "RunState", "Schedule", "ScheduleRun"]
