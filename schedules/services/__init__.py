"""Writes of schedules."""
