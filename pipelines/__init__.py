"""Work that threads hand to each other: a bounded pipe, and bounded tasks with their results in order. No Django."""
