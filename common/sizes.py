"""Numbers of bytes, as people read them."""

from __future__ import annotations

from django.utils import formats
from django.utils.html import avoid_wrapping
from django.utils.translation import gettext, ngettext

KIB = 1024
# A figure of three digits is exact enough without decimals.
DECIMALS_BELOW = 100


def size_text(count: float) -> str:
    """A number of bytes in the active language, in binary units that are labelled as such: 1.4 GiB."""
    if abs(count) < KIB:
        whole = round(count)
        words = ngettext("%(count)s byte", "%(count)s bytes", abs(whole))
        return avoid_wrapping(words % {"count": number_text(whole)})
    # Each is a string of its own, because some languages write their own units.
    units = [gettext("%s KiB"), gettext("%s MiB"), gettext("%s GiB"), gettext("%s TiB"), gettext("%s PiB")]
    value, unit = count / KIB, 0
    while abs(_rounded(value)) >= KIB and unit < len(units) - 1:
        value, unit = value / KIB, unit + 1
    return avoid_wrapping(units[unit] % number_text(_rounded(value)))


def _rounded(value: float) -> float:
    return round(value, 1) if abs(value) < DECIMALS_BELOW else round(value)


def number_text(value: float) -> str:
    """A figure in the active language, with at most one decimal."""
    return formats.number_format(value, 0 if value == round(value) else 1)
