"""Ids in addresses."""

from __future__ import annotations

import re
from uuid import UUID

from django.urls import register_converter

NOBODY = UUID(int=0)
"""An id that no row has."""

_CANONICAL = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class IdConverter:
    """A UUID in an address, as `<id:order>`.

    A text that is no UUID is the id of nothing, so that it is answered like any other id that does not exist: with the
    error of that kind of object, after the errors of the ids before it.
    """

    regex = "[^/]+"

    def to_python(self, value: str) -> UUID:
        """The id, or the id of nothing."""
        return UUID(value) if _CANONICAL.fullmatch(value) else NOBODY

    def to_url(self, value: UUID) -> str:
        """The id as text."""
        return str(value)


register_converter(IdConverter, "id")
