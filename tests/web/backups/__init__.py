"""The pages of orders, backups and restores, through Django's own client: what is queued stays queued."""
