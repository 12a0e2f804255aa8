"""Creates and lists snapshots. A snapshot is the root object of one backup."""
