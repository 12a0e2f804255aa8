"""Reading members from a `.tar.gz`: every byte of it is checked, nothing is written."""
