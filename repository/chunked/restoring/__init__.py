"""Restores snapshots into folders, whole or by path, fetching only differences; reads single files in place."""
