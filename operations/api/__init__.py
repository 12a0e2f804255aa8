"""The API of operations."""
