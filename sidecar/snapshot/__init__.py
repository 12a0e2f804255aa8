"""Reads the data for a snapshot: the worker asks for what it lacks, and stores it."""
