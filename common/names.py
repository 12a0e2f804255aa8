"""What a name may be: the one rule of API and pages."""

from __future__ import annotations

import unicodedata

from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

NAME_LENGTH_MAX = 100
_NOT_IN_NAMES = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories of control characters, halves of characters, line and paragraph separators."""


def name_on_one_line(text: str) -> bool:
    """Whether a name has no control characters and no line breaks."""
    return not any(unicodedata.category(letter) in _NOT_IN_NAMES for letter in text)


def names_isolated(sentence: str, **names: str) -> SafeString:
    """Put names into a sentence of a page, each isolated, so that the direction of one turns nothing else around."""
    marked = {key: format_html("<bdi>{}</bdi>", name) for key, name in names.items()}
    return mark_safe(escape(sentence) % marked)  # noqa: S308  # the sentence and each name are escaped
