"""The chunked repository: many backups of one tenant on one target, with each chunk stored once."""
