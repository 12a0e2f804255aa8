"""The formats of backups, in the terms of the wire."""
