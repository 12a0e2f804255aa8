"""The customer's pages: orders, backups, restores. Thin adapters over services and selectors."""
