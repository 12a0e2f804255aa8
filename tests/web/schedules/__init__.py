"""Pages of schedules and triggers."""
