"""The product: backups, operations, targets, assets."""
