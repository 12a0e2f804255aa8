"""The manifest: the records of all entries of a snapshot, in order of their paths."""
