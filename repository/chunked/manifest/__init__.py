"""The manifest: the records of everything a snapshot holds, in order of their paths."""
