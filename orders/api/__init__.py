"""The REST API of orders: thin adapters over selectors."""
