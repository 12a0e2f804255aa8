"""The command that opens backups without the portal."""
