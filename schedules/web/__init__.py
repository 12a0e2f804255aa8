"""Pages of schedules and of protection."""
