"""Signing in, one's own account, and what every page of a person has."""
