"""Tests of the maintenance of a repository."""
