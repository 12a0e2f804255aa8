"""The index: where each chunk is. Sorted tables, searched in place, so that a million chunks take 50 MB."""
