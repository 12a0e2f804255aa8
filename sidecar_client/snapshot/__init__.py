"""The files of a sidecar as the source of a snapshot."""
