"""Storage of backups: targets, keys, stored objects, and opening them."""
