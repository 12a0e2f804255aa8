"""Real programs for tests, each started by one context manager."""
