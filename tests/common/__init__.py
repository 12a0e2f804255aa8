"""The plumbing that knows no app."""
