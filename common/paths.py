"""Names of files are bytes; as text they are UTF-8, with `%XX` for what is not, and for what is not seen."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from common.names import letter_is_plain


def path_text(path: bytes) -> str:
    """A path as text: UTF-8, with `%XX` for a percent sign, for what is not UTF-8, and for what is no part of names.

    Control characters, and those that nobody sees or that turn text around, so that `exe.gnp` never reads as a picture.
    """
    text = path.replace(b"%", b"%25").decode("utf-8", "surrogateescape")
    escaped = (f"%{ord(char) - 0xDC00:02X}" if "\udc80" <= char <= "\udcff" else char for char in text)
    return "".join(map(_seen, "".join(escaped)))


def _seen(char: str) -> str:
    return char if letter_is_plain(char) else "".join(f"%{byte:02X}" for byte in char.encode())


def path_parsed(text: str) -> bytes:
    """The path that `path_text` wrote so. Raises ValueError for what it never writes."""
    path = unquote_to_bytes(text)
    if path_text(path) != text:
        raise ValueError(text)
    return path
