"""The REST API of provisions: thin adapters over selectors."""
