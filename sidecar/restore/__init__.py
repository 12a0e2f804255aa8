"""The restore half of the sidecar: an archive is staged beside the live data, then exchanged under a journal."""
