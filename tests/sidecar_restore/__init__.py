"""Restoring an archive into a data root."""
