"""What a source remembers of its files' sectors, so that only changed ones are read out again."""
