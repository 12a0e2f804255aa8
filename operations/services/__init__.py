"""The services of operations: every write to their rows."""
