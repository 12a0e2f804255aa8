"""The services of the vault."""
