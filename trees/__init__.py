"""The file system rules that all parts of the product share, each defined once; this package imports no other."""
