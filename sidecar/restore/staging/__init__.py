"""Staging what differs beside the live data, and writing down the steps of the exchange."""
