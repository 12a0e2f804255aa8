"""The pages of orders, backups and restores with Django's test client; no worker runs the queued operations."""
