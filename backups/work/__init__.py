"""What a worker does between claiming an operation and ending it. One file a kind."""
