"""Names of files are bytes; as text they are UTF-8, with `%XX` for other bytes and for invisible characters."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from common.names import letter_is_plain


def path_text(path: bytes) -> str:
    """A path as text: UTF-8, with `%XX` for a percent sign, for other bytes, and for characters not allowed in names.

    These are control characters, and those that are invisible or change the direction of text, so that `exe.gnp` never
    reads as a picture.
    """
    text = path.replace(b"%", b"%25").decode("utf-8", "surrogateescape")
    escaped = (f"%{ord(char) - 0xDC00:02X}" if "\udc80" <= char <= "\udcff" else char for char in text)
    return "".join(map(_seen, "".join(escaped)))


def _seen(char: str) -> str:
    return char if letter_is_plain(char) else "".join(f"%{byte:02X}" for byte in char.encode())


def path_parsed(text: str) -> bytes:
    """The path of a text of `path_text`. Raises ValueError for a text that it never writes."""
    path = unquote_to_bytes(text)
    if path_text(path) != text:
        raise ValueError(text)
    return path


def path_within(text: str) -> bytes:
    """As `path_parsed`, of a relative path that stays inside: no empty, `.` or `..` component, and no NUL.

    Raises ValueError for any other.
    """
    path = path_parsed(text)
    if b"\0" in path or any(name in (b"", b".", b"..") for name in path.split(b"/")):
        raise ValueError(text)
    return path
