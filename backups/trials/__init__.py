"""Test restores: a backup is restored into a private folder of this machine, and every file is compared."""
