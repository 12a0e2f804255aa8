"""Tags of operations."""
