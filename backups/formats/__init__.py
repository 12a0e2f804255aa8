"""The formats in which a backup is stored, behind one interface: an archive, or a snapshot in a repository."""
