"""Checks of configuration values; each raises ValueError with words that follow the key's name."""

import os
import stat
from pathlib import Path
from typing import Final

_ANYBODY_ELSE: Final = stat.S_IRWXG | stat.S_IRWXO


def absolute(value: object) -> Path:
    """An absolute path, with links resolved."""
    if not isinstance(value, str) or not value.startswith("/") or "\0" in value:
        raise ValueError("must be an absolute path")
    return Path(os.path.realpath(value))


def secret(value: object, *, characters: int) -> str:
    """The secret in the file at this path, of at least so many characters; only the file's owner may have access."""
    path = absolute(value)
    try:
        readable_by_others = path.stat().st_mode & _ANYBODY_ELSE
        text = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        # The decoder's message would quote the secret.
        raise ValueError("must hold printable ASCII") from None
    if readable_by_others:
        raise ValueError("must be accessible to its owner only (chmod 600)")
    if len(text) < characters or not text.isprintable() or " " in text:
        raise ValueError(f"must hold one secret of at least {characters} characters without spaces")
    return text


def seconds(value: object) -> float:
    """A number of seconds, possibly 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise ValueError("must be a number of seconds")
    return float(value)
