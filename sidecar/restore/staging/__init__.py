"""Stages differing members beside the live data, and plans the exchange."""
