"""Backups that start by themselves: schedules, their runs, retention."""
