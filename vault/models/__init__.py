"""Targets, data keys, and stored objects."""

from vault.models.data_key import DataKey
from vault.models.stored import Asset, StoredObject
from vault.models.target import StorageTarget

__all__ = ["Asset", "DataKey", "StorageTarget", "StoredObject"]
