"""Tests of the modules that all apps share."""
