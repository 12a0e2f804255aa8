"""Notes and tags: the one rule of API and pages."""

from __future__ import annotations

from collections.abc import Iterable

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from common.names import letter_is_plain, name_allowed

NOTES_LENGTH_MAX = 2000
TAG_LENGTH_MAX = 40
TAGS_MAX = 10
_LINES = frozenset("\n\t")


def notes_clean(text: str) -> str:
    """Notes with plain line ends. Raises ValidationError for control characters, and for too many characters."""
    notes = text.replace("\r\n", "\n").replace("\r", "\n")
    if len(notes) > NOTES_LENGTH_MAX:
        said = ngettext(
            "Notes have at most %(limit)s character.", "Notes have at most %(limit)s characters.", NOTES_LENGTH_MAX
        )
        raise ValidationError(said % {"limit": NOTES_LENGTH_MAX}, code="max_length")
    if not all(letter in _LINES or letter_is_plain(letter) for letter in notes):
        raise ValidationError(_("Notes have no control characters."), code="control")
    return notes


def tags_clean(tags: Iterable[str]) -> list[str]:
    """Tags in their order, each once whatever its case, without spaces around them.

    Raises ValidationError for an empty, long or unreadable one, for a comma in one, and for too many.
    """
    found: dict[str, str] = {}
    for tag in tags:
        plain = " ".join(tag.split())
        if not plain or len(plain) > TAG_LENGTH_MAX or "," in plain or not name_allowed(tag):
            said = _("“%(tag)s” is no tag: 1 to %(limit)s characters on one line, and no comma.")
            raise ValidationError(said % {"tag": tag[:TAG_LENGTH_MAX], "limit": TAG_LENGTH_MAX}, code="tag")
        found.setdefault(plain.casefold(), plain)
    if len(found) > TAGS_MAX:
        said = ngettext("A backup has at most %(limit)s tag.", "A backup has at most %(limit)s tags.", TAGS_MAX)
        raise ValidationError(said % {"limit": TAGS_MAX}, code="too_many")
    return list(found.values())


def tags_of(text: str) -> list[str]:
    """The tags that a person typed, separated by commas. Raises ValidationError as `tags_clean`."""
    return tags_clean(part for part in text.split(",") if part.strip())
