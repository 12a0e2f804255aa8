"""The REST API of accounts: thin adapters over services and selectors."""
