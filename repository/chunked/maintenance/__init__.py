"""Maintenance of a repository: verify, forget, prune, rebuild the index, and measure usage."""
