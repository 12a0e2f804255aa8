"""The stand-alone command: opens stored backups without the portal."""
