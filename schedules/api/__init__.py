"""Schedules and triggers over the API."""
