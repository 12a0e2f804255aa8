"""The product: backups and restores of a server's files, and their downloads."""
