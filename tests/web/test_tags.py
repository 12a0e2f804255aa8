"""The output of template tags: sizes, rates, durations, times and icons, in the reader's language and zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from django.template import Context, Template
from django.utils import timezone, translation

from common.templatetags.savepoint import icon

ROOT = Path(settings.BASE_DIR)
NBSP = "\u00a0"
NOW = datetime(2026, 7, 15, 12, 0, 0, tzinfo=UTC)


def rendered(source: str, **context: object) -> str:
    return Template("{% load savepoint %}" + source).render(Context(context))


def plain(source: str, **context: object) -> str:
    return rendered(source, **context).replace(NBSP, " ")


@pytest.fixture
def now(monkeypatch):
    """Stop the clock at noon of 15 July 2026."""
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    return NOW


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1023, "1023 bytes"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (150 * 1024, "150 KiB"),
        (1024**2 - 1, "1 MiB"),
        (1503238554, "1.4 GiB"),
        (50 * 1024**3, "50 GiB"),
        (3 * 1024**4, "3 TiB"),
        (5000 * 1024**5, "5000 PiB"),
        (-1536, "-1.5 KiB"),
        (None, ""),
    ],
)
def test_a_size_is_said_in_binary_units_that_are_labelled(count, text):
    assert plain("{{ count|bytes }}", count=count) == text


def test_a_size_is_written_as_the_language_writes_numbers():
    with translation.override("de"):
        assert plain("{{ count|bytes }}", count=1503238554) == "1,4 GiB"


def test_figure_and_unit_are_never_torn_apart():
    assert rendered("{{ count|bytes }}", count=1536) == f"1.5{NBSP}KiB"


def test_figure_stays_before_its_unit_in_right_to_left_text():
    with translation.override("ar"):
        text = rendered("{{ count|bytes }}", count=1536)
    assert text.startswith("\u2068")
    assert text.endswith("\u2069")


def test_a_rate_is_a_size_for_each_second():
    assert plain("{{ speed|rate }}|{{ nothing|rate }}", speed=12.5 * 1024**2, nothing=None) == "12.5 MiB/s|"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (59.4, "59 seconds"),
        (60, "1 minute"),
        (200, "3 min 20 s"),
        (601, "10 minutes"),
        (3600, "1 hour"),
        (7500, "2 h 5 min"),
        (86400, "1 day"),
        (90000, "1 d 1 h"),
        (20 * 86400 + 3600, "20 days"),
        (timedelta(minutes=2), "2 minutes"),
        (-5, "0 seconds"),
        (None, ""),
    ],
)
def test_a_duration_is_said_in_two_units_at_most(seconds, text):
    assert plain("{{ seconds|duration }}", seconds=seconds) == text


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        (timedelta(seconds=1), "just now"),
        (timedelta(seconds=40), "40 seconds ago"),
        (timedelta(hours=6), "6 hours ago"),
        (timedelta(hours=-5), "in 5 hours"),
        (timedelta(hours=28), "1 day ago"),
        (timedelta(days=41), "June 4, 2026"),
        (timedelta(days=-41), "Aug. 25, 2026"),
    ],
)
def test_moment_is_shown_relative_to_now_or_as_a_date(now, ago, text):
    assert f'tabindex="0">{text} <span' in plain("{% moment at %}", at=now - ago)


@pytest.mark.parametrize(
    ("language", "text"), [("de", "vor 2 Tagen"), ("pl", "2 dni temu"), ("ar", "قبل يومين"), ("zh-hans", "2天前")]
)
def test_a_moment_is_told_in_the_words_of_its_reader(now, language, text):
    with translation.override(language):
        assert f">{text} <span" in plain("{% moment at %}", at=now - timedelta(days=2))


def test_moment_shows_its_exact_time_and_zone_on_hover_and_focus(now):
    with timezone.override("Europe/Berlin"):
        text = plain("{% moment at %}", at=now - timedelta(hours=6))
    assert 'datetime="2026-07-15T06:00:00+00:00"' in text
    assert '<span class="tip">July 15, 2026, 08:00:00 (Europe/Berlin, UTC+02:00)</span></time>' in text
    assert "title=" not in text


@pytest.mark.parametrize("language", [code for code, _name in settings.LANGUAGES])
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Midway", "Europe/Berlin", "America/New_York", "UTC"])
@pytest.mark.parametrize(
    "at",
    [
        datetime.max.replace(tzinfo=UTC),
        datetime.min.replace(tzinfo=UTC),
        datetime(9999, 12, 31, 12, tzinfo=UTC),
        datetime(1, 1, 1, 12, tzinfo=UTC),
        datetime(999, 2, 28, tzinfo=UTC),
    ],
    ids=str,
)
def test_each_moment_of_the_calendar_is_shown_in_every_zone(at, zone, language, now):
    """In UTC, where the zone's own calendar has no such day."""
    with timezone.override(zone), translation.override(language):
        text = plain("{% moment at %}", at=at)
    assert at.isoformat(timespec="seconds") in text
    told = re.search(r"(\d\d:\d\d:\d\d)", text.partition("tip")[2])
    try:
        there = at.astimezone(ZoneInfo(zone))
    except OverflowError:
        there = at
    assert told[1] == f"{there:%H:%M:%S}"
    assert (zone in text) is (there is not at)


def test_a_moment_in_utc_says_utc_once(now):
    with timezone.override("UTC"):
        assert '<span class="tip">July 15, 2026, 12:00:00 UTC</span>' in plain("{% moment at %}", at=now)


def test_a_moment_may_have_an_id_that_focus_returns_to_and_none_is_nothing(now):
    assert '<time class="moment" id="made-1" ' in rendered("{% moment at id='made-1' %}", at=now)
    assert rendered("{% moment at %}", at=None) == ""


def test_an_icon_is_decoration_unless_it_has_a_label():
    assert icon("check") == (
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="/static/savepoint/icons.svg#check"/></svg>'
    )
    assert 'role="img" aria-label="Locked &lt;b&gt;"' in icon("lock", "Locked <b>")
    assert 'class="icon spin"' in icon("spinner")
    assert 'class="icon flip"' in icon("chevron")


def test_every_icon_that_a_template_names_is_drawn():
    drawn = set(re.findall(r'<symbol id="([^"]+)"', (ROOT / "static/savepoint/icons.svg").read_text()))
    named = {
        name
        for path in (ROOT / "templates").rglob("*.html")
        for name in re.findall(r'{% icon "([^"]+)"', path.read_text())
    }
    assert named
    assert named <= drawn
