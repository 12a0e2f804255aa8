"""Paths that a backup leaves out on purpose: the patterns in force, and what they leave out."""
