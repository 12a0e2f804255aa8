"""Reading an archive: every byte of it is checked, nothing is written."""
