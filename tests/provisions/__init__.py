"""Provisions: the certificates of sidecars."""
