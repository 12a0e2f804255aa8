"""The daemon: its server, and the services that answer calls."""
