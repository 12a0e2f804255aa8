"""The sector map: a source's record of its files' sectors, so that a snapshot stores only changed sectors."""
