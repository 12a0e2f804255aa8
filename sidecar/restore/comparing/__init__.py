"""Compares members with the live data, and decides which live paths stay."""
