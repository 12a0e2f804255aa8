"""Pipelines between threads: a bounded pipe, and bounded tasks with their results in order. No Django."""
