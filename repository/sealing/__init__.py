"""Objects encrypted in frames that can be opened at any offset; both backup formats use them."""
