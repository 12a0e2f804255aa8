"""What a worker does with an operation, whatever its kind."""
