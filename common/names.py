"""What a name may be: the one rule of API and pages."""

from __future__ import annotations

import unicodedata

NAME_LENGTH_MAX = 100
_NOT_IN_NAMES = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories of control characters, halves of characters, line and paragraph separators."""


def name_on_one_line(text: str) -> bool:
    """Whether a name has no control characters and no line breaks."""
    return not any(unicodedata.category(letter) in _NOT_IN_NAMES for letter in text)
