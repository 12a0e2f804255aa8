"""The index: the place of each chunk, in sorted tables that are searched in place. A million chunks take 50 MB."""
