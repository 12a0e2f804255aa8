"""Snapshots: the root of one backup, and the making of a new one."""
