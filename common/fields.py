"""Columns whose content is encrypted under the KEK."""

from __future__ import annotations

from typing import Any

from django.db import models

from common.errors import KeyUnavailable
from common.keyring import KeyringError
from common.portal_keyring import portal_keyring


class EncryptedTextField(models.BinaryField):  # type: ignore[type-arg]  # the stored type is the field's own business
    """Text that is encrypted in the database (AES-256-GCM under the KEK, bound to table and column).

    It cannot be searched. Reading raises KeyUnavailable when the KEK is not configured or the ciphertext was altered.
    """

    description = "Encrypted text"

    def _context(self) -> bytes:
        return f"column {self.model._meta.db_table}.{self.column}".encode()  # noqa: SLF001  # Django's public name for it

    def from_db_value(self, value: bytes | memoryview | None, *_: object) -> str | None:
        """Decrypt the value from the database."""
        if value is None:
            return None
        try:
            return portal_keyring().unwrap(bytes(value), context=self._context()).decode()
        except KeyringError as error:
            raise KeyUnavailable from error

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:  # noqa: FBT001, FBT002  # Django's signature
        """Encrypt the value for the database."""
        if isinstance(value, str):
            value = portal_keyring().wrap(value.encode(), context=self._context())
        return super().get_db_prep_value(value, connection, prepared)

    def value_to_string(self, obj: models.Model) -> str:  # noqa: ARG002  # Django's signature
        """Serialised dumps hold no secret."""
        return ""
