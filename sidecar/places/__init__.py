"""The parts of a data root that no rename reaches from the root: mounted folders, and folders behind links."""
