"""The sealed archive: its names in storage and its manifest."""
