"""The sidecar's archive format, read back by GNU tar and the standard library."""
