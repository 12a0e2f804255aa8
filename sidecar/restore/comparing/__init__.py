"""Comparing what an archive holds with the live data: what is the same, what stays."""
