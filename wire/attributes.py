"""Extended attributes as one field of a listing: NAME:VALUE in base64, with `,` between, and `-` for none."""

import binascii
from collections.abc import Mapping
from typing import Final

USER: Final = b"user."
NONE: Final[Mapping[bytes, bytes]] = {}
_NONE_FIELD: Final = b"-"


def attributes_field(attributes: Mapping[bytes, bytes]) -> bytes:
    """Attributes as they stand in a line."""
    return b",".join([_text(name) + b":" + _text(attributes[name]) for name in sorted(attributes)]) or _NONE_FIELD


def attributes_read(field: bytes) -> Mapping[bytes, bytes]:
    """The attributes that stand in a line; raises ValueError for a field that is none, or names no user's attribute."""
    if field == _NONE_FIELD:
        return NONE
    pairs = [pair.split(b":") for pair in field.split(b",")]
    found = {_bytes(name): _bytes(value) for name, value in pairs}
    if len(found) != len(pairs) or not all(name.startswith(USER) for name in found):
        raise ValueError(field)
    return found


def _text(value: bytes) -> bytes:
    return binascii.b2a_base64(value, newline=False)


def _bytes(text: bytes) -> bytes:
    return binascii.a2b_base64(text, strict_mode=True)
