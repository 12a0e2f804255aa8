"""What keeps a repository sound and small: verify, forget, prune, rebuild the index, and what it all takes."""
