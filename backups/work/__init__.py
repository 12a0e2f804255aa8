"""The work of a worker between claim and end of an operation. One file a kind."""
