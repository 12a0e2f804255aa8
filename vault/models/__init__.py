"""Targets, data keys, repositories, and stored objects."""

from vault.models.data_key import DataKey
from vault.models.export import AssetExport
from vault.models.repository import Repository
from vault.models.stored import Asset, StoredObject
from vault.models.target import StorageTarget

__all__ = ["Asset", "AssetExport", "DataKey", "Repository", "StorageTarget", "StoredObject"]
