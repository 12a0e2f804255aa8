"""The API of schedules, triggers and protection."""
