"""The archive format as written by the sidecar, read back by GNU tar and the standard library."""
