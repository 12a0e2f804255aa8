"""The work of a worker on an operation of any kind."""
