"""Comparing members with the live data: what is the same, what stays."""
