"""The state of a restore: its folder, journal and lists on the disk, its progress, failures and outcome."""
