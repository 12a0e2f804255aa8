"""Access tests: every role on every address."""
