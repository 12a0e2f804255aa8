"""What an extraction keeps of itself on the disk: its folder, journal, lists and outcome."""
