"""Chunks: their identity, their compression, and how they are sealed."""
