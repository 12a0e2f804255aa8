"""Snapshots as archives that any program opens."""
