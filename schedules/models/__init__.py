"""Schedules and their runs; the protection of orders."""

from schedules.models.protection import OrderProtection
from schedules.models.run import OPEN_STATES, RunState, ScheduleRun
from schedules.models.schedule import Schedule

__all__ = ["OPEN_STATES", "OrderProtection", "RunState", "Schedule", "ScheduleRun"]
