"""The process around the workers: it judges leases, rings again, replaces what froze, and drains."""
