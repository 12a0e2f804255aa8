"""Exchanges staged names with live ones, forward or back."""
