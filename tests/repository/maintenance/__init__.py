"""What keeps a repository sound and small."""
