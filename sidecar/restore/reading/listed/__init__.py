"""A listing of a snapshot as a source of members; contents are asked for and come from outside."""
