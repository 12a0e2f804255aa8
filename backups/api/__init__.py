"""The REST API of backups: thin adapters over services and selectors."""
