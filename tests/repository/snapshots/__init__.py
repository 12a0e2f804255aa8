"""Tests of making snapshots, and the state machine of a repository's whole life."""
