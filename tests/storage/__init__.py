"""Tests that every storage must pass, and tests of a folder's and a bucket's own failures."""
