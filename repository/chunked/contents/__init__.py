"""The contents of files of a snapshot, read in the manifest's order."""
