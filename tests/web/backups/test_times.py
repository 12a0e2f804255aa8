"""Times in the reader's time zone."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from backups.models import Backup
from tests.web.backups.reading import read

MADE = datetime(2026, 1, 31, 23, 30, 5, tzinfo=UTC)
EARLIEST, LATEST = "Pacific/Pago_Pago", "Pacific/Kiritimati"
"""Zones in which no time of day equals that of UTC."""


@pytest.fixture
def backup(rental):
    backup = rental.stored()
    Backup.objects.update(created_at=MADE, completed_at=MADE)
    return backup


@pytest.mark.parametrize(
    ("own", "of_browser", "said"),
    [
        ("", "", "Jan. 31, 2026, 23:30:05 UTC"),
        ("Asia/Tokyo", "", "Feb. 1, 2026, 08:30:05 (Asia/Tokyo, UTC+09:00)"),
        ("", "America/New_York", "Jan. 31, 2026, 18:30:05 (America/New_York, UTC-05:00)"),
        ("Asia/Tokyo", "America/New_York", "Feb. 1, 2026, 08:30:05 (Asia/Tokyo, UTC+09:00)"),
        ("", "Asia%2FKolkata", "Feb. 1, 2026, 05:00:05 (Asia/Kolkata, UTC+05:30)"),
        ("", "../etc/passwd", "Jan. 31, 2026, 23:30:05 UTC"),
        ("", "Mars/Phobos", "Jan. 31, 2026, 23:30:05 UTC"),
    ],
)
def test_times_are_those_of_the_readers_own_zone_else_of_their_browsers(own, of_browser, said, backup, rental, owner):
    rental.owner.time_zone = own
    rental.owner.save()
    if of_browser:
        owner.cookies["tz"] = of_browser
    for path in (rental.page, rental.at(backup), rental.at(backup, "restore/"), "/"):
        page = read(owner.get(path))
        moments = page.all("time", class_="moment")
        assert moments, path
        for moment in moments:
            assert moment["datetime"] == "2026-01-31T23:30:05+00:00"
            assert moment.one(class_="tip").text == said
            assert moment["tabindex"] == "0"
    zone = own or (of_browser.replace("%2F", "/") if said.endswith(")") else "UTC")
    assert f"Times are shown in the zone {zone}." in page.one("footer").text


def name_now(zone):
    return f"Backup {timezone.now().astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"


@pytest.mark.parametrize(
    ("own", "of_browser", "zone"),
    [(LATEST, "", LATEST), ("", EARLIEST, EARLIEST), (LATEST, EARLIEST, LATEST), ("", "", "UTC"), ("", "x", "UTC")],
)
def test_a_backup_without_a_name_is_called_by_the_time_at_its_reader(own, of_browser, zone, rental, owner):
    rental.owner.time_zone = own
    rental.owner.save()
    if of_browser:
        owner.cookies["tz"] = of_browser
    before = name_now(zone)
    owner.post(rental.create_page, {"name": ""})
    # The minute may have changed meanwhile.
    assert Backup.objects.get().name in (before, name_now(zone))


def test_the_polled_part_has_the_times_of_the_page(backup, rental, owner):
    rental.owner.time_zone = "Asia/Tokyo"
    rental.owner.save()
    part = read(owner.get(rental.region))
    assert {moment.one(class_="tip").text for moment in part.all("time")} == {
        "Feb. 1, 2026, 08:30:05 (Asia/Tokyo, UTC+09:00)"
    }
