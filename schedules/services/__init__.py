"""Writes of schedules and triggers."""
