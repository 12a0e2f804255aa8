"""The patterns of files that backups leave out: their form, whoever writes them, and the sentence for a wrong one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.core.exceptions import ValidationError as FieldError
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from common.errors import ValidationError
from common.names import letter_is_plain
from trees.patterns import (
    LAYER_MAX,
    PATTERN_BYTES_MAX,
    STARS_MAX,
    PatternFault,
    PatternRefused,
    is_pattern,
    patterns_compile,
)

LINES_MAX = 3 * LAYER_MAX
"""The most lines of one field, with comments and blank ones."""
PATTERNS_LENGTH_MAX = LAYER_MAX * PATTERN_BYTES_MAX
"""The longest text of one field."""

_FAULTS: Mapping[PatternFault, str | Promise] = {
    PatternFault.EMPTY: _("Line %(line)s names no file and no folder."),
    PatternFault.BRACKET: _("Line %(line)s has a bracket that is not closed, or that holds something impossible."),
    PatternFault.BACKSLASH: _("Line %(line)s has a name that ends in a backslash."),
    PatternFault.STARS: _("Line %(line)s has more than %(stars)s stars in one name."),
    PatternFault.LONG: _("Line %(line)s is longer than %(bytes)s bytes."),
    PatternFault.LINES: _("Line %(line)s has a line break or a NUL character in it."),
    PatternFault.MANY: _("There are more than %(patterns)s patterns."),
}


def patterns_of(text: str) -> list[str]:
    """The lines of a field of patterns; none for an empty one."""
    return text.replace("\r\n", "\n").split("\n") if text.strip() else []


def pattern_bytes(lines: Sequence[str]) -> tuple[bytes, ...]:
    """The patterns among some lines, as a sidecar takes them."""
    return tuple(line for line in (text.encode() for text in lines) if is_pattern(line))


def pattern_text(pattern: bytes) -> str:
    """A pattern for people: UTF-8, with other bytes and invisible characters escaped by a backslash."""
    text = pattern.decode("utf-8", "backslashreplace")
    return "".join(char if letter_is_plain(char) else char.encode("unicode_escape").decode() for char in text)


def patterns_fault(lines: Sequence[str]) -> str:
    """The sentence about the first impossible line; empty when there is none."""
    told = [line.encode("utf-8", "surrogatepass") for line in lines]
    limits = {"stars": STARS_MAX, "bytes": PATTERN_BYTES_MAX, "patterns": LAYER_MAX}
    try:
        patterns_compile(told)
    except PatternRefused as error:
        return str(_FAULTS[error.fault]) % {"line": error.line, **limits}
    if len(lines) > LINES_MAX or sum(map(is_pattern, told)) > LAYER_MAX:
        return str(_FAULTS[PatternFault.MANY]) % limits
    return ""


def patterns_validate(lines: Sequence[str]) -> None:
    """Raise ValidationError with the first impossible line, as the error of the field `exclude`."""
    if fault := patterns_fault(lines):
        raise ValidationError(errors={"exclude": [fault]})


def patterns_text_validate(text: str) -> None:
    """Raise Django's ValidationError with the first impossible line of a text, as a validator of its field does."""
    if fault := patterns_fault(patterns_of(text)):
        raise FieldError(fault, code="pattern")
