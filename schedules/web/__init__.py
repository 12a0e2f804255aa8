"""The pages of schedules and triggers."""
