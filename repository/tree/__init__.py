"""The manifest of a snapshot: its records, and the stream that they make."""
