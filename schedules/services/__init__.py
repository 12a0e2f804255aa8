"""Writes of schedules, one subject a file."""
