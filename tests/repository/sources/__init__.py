"""Tests of where the files of a snapshot come from."""
