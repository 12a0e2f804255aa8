"""Snapshots back into folders: whole, chosen paths, or only what differs; and files read where they lie."""
