"""How pages show icons, sizes, rates, durations and moments, each in the reader's language and time zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

from babel import Locale
from babel.dates import format_timedelta
from django import template
from django.templatetags.static import static
from django.utils import formats, timezone
from django.utils.html import avoid_wrapping, format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language, get_language_bidi, gettext, ngettext, to_locale

from common.names import name_isolated, names_isolated
from common.sizes import number_text, size_text

register = template.Library()

RELATIVE_FOR = timedelta(days=30)
NOW = timedelta(seconds=2)
MINUTE, HOUR, DAY = 60, 3600, 86400
# From here on minutes are shown without seconds, and days without hours.
MINUTES_ALONE, DAYS_ALONE = 10, 10
# Icons that point somewhere turn round where the text runs the other way, and one of them turns all the time.
MIRRORED = frozenset({"chevron", "sign-out"})
TURNING = "spinner"
FIRST_STRONG_ISOLATE, POP_ISOLATE = "\u2068", "\u2069"


@register.filter
def bdi(name: object) -> SafeString:
    """A name within a sentence of a page."""
    return names_isolated("%(name)s", name=str(name))


@register.filter
def isolated(name: object) -> str:
    """A name where no element can stand: in an attribute, a title, a mail."""
    return name_isolated(str(name))


@register.simple_tag
@cache
def icon(name: str, label: str = "") -> SafeString:
    """An icon of icons.svg: decoration beside its words, or with a label an image that says it."""
    classes = {TURNING: "icon spin"}.get(name, "icon flip" if name in MIRRORED else "icon")
    address = f"{static('savepoint/icons.svg')}#{name}"
    if label:
        return format_html('<svg class="{}" role="img" aria-label="{}"><use href="{}"/></svg>', classes, label, address)
    return format_html('<svg class="{}" aria-hidden="true" focusable="false"><use href="{}"/></svg>', classes, address)


@register.filter(name="bytes")
def size(count: float | None) -> str:
    """A number of bytes as people read it, in binary units that are labelled as such: 1.4 GiB. Nothing for None."""
    return "" if count is None else _isolated(size_text(count))


@register.filter
def rate(bytes_per_second: float | None) -> str:
    """A speed as people read it: 12.5 MiB/s. Nothing for None."""
    if bytes_per_second is None:
        return ""
    return _isolated(gettext("%(size)s/s") % {"size": size_text(bytes_per_second)})


@register.filter
def duration(seconds: float | timedelta | None) -> str:
    """A length of time in two units at most: 45 seconds, 3 min 20 s, 2 h 5 min, 12 days. Nothing for None."""
    if seconds is None:
        return ""
    whole = max(0, round(seconds.total_seconds() if isinstance(seconds, timedelta) else seconds))
    return _isolated(avoid_wrapping(_long_duration(whole) if whole >= HOUR else _short_duration(whole)))


@register.simple_tag
def moment(value: datetime | None, id: str = "") -> SafeString | str:  # noqa: A002  # it becomes the attribute `id`
    """When something was or will be, told from now; hover and focus show the exact time. Nothing for None.

    An id lets focus survive where the page replaces the element.
    """
    if value is None:
        return ""
    local = _local(value)
    near = abs(timezone.now() - value) <= RELATIVE_FOR
    return format_html(
        '<time class="moment"{} datetime="{}" tabindex="0">{} <span class="tip">{}</span></time>',
        format_html(' id="{}"', id) if id else "",
        value.astimezone(UTC).isoformat(timespec="seconds"),
        relative_text(value - timezone.now()) if near else formats.date_format(local, "DATE_FORMAT"),
        _exact(local),
    )


def relative_text(away: timedelta) -> str:
    """How long ago, or in how long, in one unit: `3 hours ago`."""
    if abs(away) < NOW:
        return gettext("just now")
    # Of the CLDR: every language's own plurals and cases around the number.
    locale = Locale.parse(to_locale(get_language() or "en"))
    return str(format_timedelta(away, add_direction=True, threshold=1, locale=locale))


def _local(value: datetime) -> datetime:
    """A moment in the reader's zone; in UTC where that zone's calendar has none, at either end of the years."""
    try:
        return timezone.localtime(value)
    except OverflowError:
        return value.astimezone(UTC)


def _exact(local: datetime) -> str:
    zone = "UTC" if local.tzinfo is UTC else timezone.get_current_timezone_name()
    offset = local.strftime("%z")
    words = {
        "date": formats.date_format(local, "DATE_FORMAT"),
        "time": f"{local:%H:%M:%S}",
        "zone": zone,
        "offset": f"UTC{offset[:3]}:{offset[3:5]}",
    }
    if zone == "UTC":
        return gettext("%(date)s, %(time)s UTC") % words
    return gettext("%(date)s, %(time)s (%(zone)s, %(offset)s)") % words


def _isolated(text: str) -> str:
    """In a text that runs from right to left, the figure would otherwise change places with its unit."""
    return f"{FIRST_STRONG_ISOLATE}{text}{POP_ISOLATE}" if get_language_bidi() else text


def _short_duration(seconds: int) -> str:
    minutes, rest = divmod(seconds, MINUTE)
    if not minutes:
        return ngettext("%(count)s second", "%(count)s seconds", seconds) % {"count": number_text(seconds)}
    if rest and minutes < MINUTES_ALONE:
        return gettext("%(minutes)s min %(seconds)s s") % {
            "minutes": number_text(minutes),
            "seconds": number_text(rest),
        }
    return ngettext("%(count)s minute", "%(count)s minutes", minutes) % {"count": number_text(minutes)}


def _long_duration(seconds: int) -> str:
    days, hours, minutes = seconds // DAY, seconds % DAY // HOUR, seconds % HOUR // MINUTE
    if not days and minutes:
        return gettext("%(hours)s h %(minutes)s min") % {"hours": number_text(hours), "minutes": number_text(minutes)}
    if not days:
        return ngettext("%(count)s hour", "%(count)s hours", hours) % {"count": number_text(hours)}
    if hours and days < DAYS_ALONE:
        return gettext("%(days)s d %(hours)s h") % {"days": number_text(days), "hours": number_text(hours)}
    return ngettext("%(count)s day", "%(count)s days", days) % {"count": number_text(days)}
