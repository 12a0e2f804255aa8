"""The product's real processes, started as an operator starts them, and used from outside."""
