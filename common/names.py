"""Validation of names: the one rule of API and pages."""

from __future__ import annotations

import unicodedata

from django.core.exceptions import ValidationError
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _

NAME_LENGTH_MAX = 100
_NOT_IN_NAMES = frozenset({"Cc", "Cs", "Zl", "Zp", "Cf"})
"""Unicode categories of control and format characters, halves of characters, line and paragraph separators."""

_JOINERS = frozenset("\u061c\u200c\u200d\u200e\u200f")
_SEEN_FORMATS = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
"""Format characters of honest use: some join letters or say to which side a sign belongs, some are signs themselves."""

_UNSEEN_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and marks that leave a name looking empty, or like another one."""

NAME_REFUSED = _("A name has no control characters and no line breaks.")

_BLACK_FLAG = "\U0001f3f4"
_FLAG_TAGS = range(0xE0020, 0xE0080)
_TURNING = frozenset({"R", "AL", "AN"})
_ISOLATE, _POP = "\u2068", "\u2069"


def name_allowed(text: str) -> bool:
    """Whether a name can be read as it is: no control characters, no line breaks, nothing that is unseen or turns text.

    Text of any script is welcome, whichever way it runs.
    """
    letters = _without_flag_tags(text) if _BLACK_FLAG in text else text
    return all(map(letter_is_plain, letters)) and (not text.strip() or bool(set(text.strip()) - _JOINERS))


def name_validate(text: str) -> None:
    """Raise Django's ValidationError for a name that is none, as a validator of a form's field does."""
    if not name_allowed(text):
        raise ValidationError(NAME_REFUSED, code="control")


def name_isolated(text: str) -> str:
    """A name for plain text: a mail, a title, an attribute.

    It does not change the direction of the text around it, and its invisible characters are shown.
    """
    shown = "".join(letter if letter_is_plain(letter) else "\ufffd" for letter in text)
    turns = any(unicodedata.bidirectional(letter) in _TURNING for letter in shown)
    return f"{_ISOLATE}{shown}{_POP}" if turns else shown


def name_cut(name: str, *, bytes_max: int) -> str:
    """As many whole characters of a name as fit into so many bytes of UTF-8."""
    encoded = name.encode()
    if len(encoded) <= bytes_max:
        return name
    return encoded[:bytes_max].decode(errors="ignore").rstrip("".join(_JOINERS))


def letter_is_plain(letter: str) -> bool:
    """Whether a character may stand in a name."""
    if letter in _JOINERS or letter in _SEEN_FORMATS:
        return True
    return unicodedata.category(letter) not in _NOT_IN_NAMES and letter not in _UNSEEN_LETTERS


def _without_flag_tags(text: str) -> str:
    """The flags of England, Scotland and Wales are a black flag and letters that are not seen."""
    return "".join(letter for letter in text if ord(letter) not in _FLAG_TAGS)


def names_isolated(sentence: str, **names: str) -> SafeString:
    """Put names into a sentence of a page, each isolated, so that the direction of one turns nothing else around."""
    marked = {key: format_html("<bdi>{}</bdi>", name) for key, name in names.items()}
    return mark_safe(escape(sentence) % marked)  # noqa: S308  # the sentence and each name are escaped
