"""The API of schedules and of protection."""
