"""Names of files are bytes; as text they are UTF-8, with `%XX` for what is not."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes


def path_text(path: bytes) -> str:
    """A path as text: UTF-8, with `%XX` for a percent sign, for what is not UTF-8, and for control characters."""
    text = path.replace(b"%", b"%25").decode("utf-8", "surrogateescape")
    escaped = (f"%{ord(char) - 0xDC00:02X}" if "\udc80" <= char <= "\udcff" else char for char in text)
    return "".join(f"%{ord(char):02X}" if char < " " or char == "\x7f" else char for char in escaped)


def path_parsed(text: str) -> bytes:
    """The path that `path_text` wrote so. Raises ValueError for what it never writes."""
    path = unquote_to_bytes(text)
    if path_text(path) != text:
        raise ValueError(text)
    return path
