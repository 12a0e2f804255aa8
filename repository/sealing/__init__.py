"""Objects encrypted in frames that can be opened at any offset, for both formats."""
