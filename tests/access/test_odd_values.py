"""Odd times, sizes, ids and cursors: every page and every answer of the API is whole, and none is a 500."""

from __future__ import annotations

import base64
import os

from orders.models import BackupFormat
from tests.world.clients import browser_of, client_of
from tests.world.stocked import Stocked

FIRST, LAST = -62_135_596_800, 253_402_300_799
"""The first and last second of the calendar, from year 1 to year 9999."""
ODD_SECONDS = [FIRST, FIRST + 60, FIRST - 1, LAST, LAST - 60, LAST + 1, 1 << 33, -(1 << 33), (1 << 34) - 1, 0]
FARTHEST = ["Pacific/Kiritimati", "Etc/GMT+12"]
ZONES = [*FARTHEST, "Europe/Berlin", "America/New_York", "UTC"]
HUGE = ["9" * 18, "9" * 19, "9" * 400, str(1 << 63), "0", "-1", "٣", "1e9"]
NO_CURSORS = ["0", "x", "\0", "é", "9" * 400, ">%", ">%00", "<%FF%FE", "<../../etc", ">", "..", "%E9", "/"]
MOMENTS = [
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    "0001-01-01",
    "9999-12-31",
    "2026-01-01T00:00:00.1",
]


def test_times_of_every_calendar_are_shown_to_every_reader(db, short_pauses, tmp_path, in_memory):
    for kind in BackupFormat:
        stocked = Stocked.make(tmp_path / kind / "storage", files=in_memory / kind, format=kind, is_default=False)
        stocked.write("plain.txt", b"x")
        for number, seconds in enumerate(ODD_SECONDS):
            os.utime(stocked.write(f"odd-{number}.dat", b"x"), ns=(0, seconds * 10**9))
        held = {path.stat().st_mtime_ns for path in stocked.files.iterdir()}
        assert {(LAST - 60) * 10**9, (FIRST + 60) * 10**9} <= held, "this file system holds no odd time"
        older, newer = stocked.keep(), stocked.keep()
        owner, order = stocked.owner, f"/orders/{stocked.order.id}/"
        api = f"/api/v1/orders/{stocked.order.id}/provisions/{stocked.server.id}/"
        for zone in ZONES:
            owner.time_zone = zone
            owner.save(update_fields=["time_zone"])
            browser, client = browser_of(owner), client_of(owner)
            names = [f"odd-{number}.dat" for number in range(len(ODD_SECONDS))]
            for sort in ("name", "modified_at", "-modified_at", "size"):
                page = browser.get(f"{order}backups/{newer.id}/files/", {"sort": sort})
                assert page.status_code == 200
                assert all(name in page.content.decode() for name in names), (kind, zone, sort)
            for name in names if zone in FARTHEST else ():
                for path, query in (
                    (f"{order}backups/{newer.id}/files/file/", {"path": name}),
                    (f"{order}files/", {"path": name}),
                    (f"{order}files/", {"q": name}),
                    (f"{order}files/compare/", {"path": name, "older": older.id, "newer": newer.id}),
                ):
                    assert browser.get(path, query).status_code == 200, (kind, zone, path, name)
            for path, query in (
                (stocked.backup_url(newer, "files/"), {"sort": "modified_at"}),
                (f"{api}versions/", {"path": names[0]}),
                (f"{api}search/", {"q": "odd"}),
            ):
                assert client.get(path, query).status_code == 200, (kind, zone, path)


def test_numbers_that_no_database_holds_are_not_found(rental):
    browser, client = browser_of(rental.owner), client_of(rental.owner)
    page = f"/orders/{rental.order.id}/"
    for number in HUGE:
        assert browser.get(f"{page}activity/", {"before": number}).status_code == 200
        assert browser.get(f"/admin/accounts/user/{number}/change/").status_code in (302, 403, 404)
        for path in (f"/account/tokens/{number}/revoke/", f"/accounts/sessions/{number}/end/", f"/orders/{number}/"):
            assert browser.post(path).status_code in (302, 404), (path, number)
        for path in (f"/api/v1/orders/{number}/", f"/api/v1/assets/{number}/", f"/api/v1/operations/{number}/"):
            assert client.get(path).status_code == 404, (path, number)


def test_staff_get_no_500_for_odd_ids(admin_client):
    for model in ("accounts/user", "accounts/auditevent", "vault/storagetarget", "orders/plan", "backups/operation"):
        for number in HUGE:
            for verb in ("change", "history", "delete"):
                assert admin_client.get(f"/admin/{model}/{number}/{verb}/").status_code in (302, 403, 404)


def test_cursors_of_nobody_are_refused(stocked):
    backup, browser, client = stocked.keep(), browser_of(stocked.owner), client_of(stocked.owner)
    page, api = f"/orders/{stocked.order.id}/", f"/api/v1/orders/{stocked.order.id}/provisions/{stocked.server.id}/"
    row = "00000000-0000-4000-8000-000000000000"
    made = [base64.urlsafe_b64encode(f"{side} {at} {row}".encode()).decode() for side in "onx" for at in MOMENTS]
    for cursor in [*NO_CURSORS, *made]:
        for sort in ("name", "size"):
            for answers, path in (
                (browser, f"{page}backups/{backup.id}/files/"),
                (client, stocked.backup_url(backup, "files/")),
            ):
                assert answers.get(path, {"cursor": cursor, "sort": sort}).status_code in (200, 302, 400, 404), (
                    path,
                    cursor,
                )
        for answers, path, query in (
            (browser, "/", {}),
            (browser, f"{page}files/", {"path": "world/level.dat"}),
            (browser, f"{page}files/", {"q": "level"}),
            (browser, f"{page}backups/", {}),
            (client, "/api/v1/orders/", {}),
            (client, f"{api}backups/", {}),
            (client, f"{api}versions/", {"path": "world/level.dat"}),
            (client, f"{api}search/", {"q": "level"}),
        ):
            assert answers.get(path, {"cursor": cursor, **query}).status_code in (200, 302, 400, 404), (path, cursor)
