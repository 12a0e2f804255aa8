"""The archive format: a folder as one gzip'd tar, written without waiting for the live server."""
