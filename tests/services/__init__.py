"""Real programs that tests run against, each started by one context manager."""
