"""The pages of a person's own account: thin adapters over services and selectors."""
