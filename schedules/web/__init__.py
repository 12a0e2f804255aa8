"""The pages of schedules, triggers and protection."""
