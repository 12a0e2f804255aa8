"""The archive format: a folder as one compressed tar, written without waiting for the live server."""
