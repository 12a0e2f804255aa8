"""The chunked repository: many backups of one tenant on one target, each thing stored once."""
