"""The making of snapshots, and the state machine of a repository's whole life."""
