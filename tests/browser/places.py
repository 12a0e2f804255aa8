"""Every page in each state that looks different, for tests that must cover all pages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from tests.browser.house import House, Person, Rented

MIB = 1 << 20
PROOF = {"depth": "restore", "at": "2026-11-30T12:00:00+00:00", "seconds": 83.2, "counted": {"files": 4211}}
HELD = {"bytes_total": 400 * MIB, "bytes_done": 180 * MIB, "rate": 20 * MIB}

OPEN = {
    "sign in": "/accounts/login/",
    "password reset": "/accounts/password/reset/",
    "password reset, mail sent": "/accounts/password/reset/done/",
    "password reset, link is old": "/accounts/password/reset/key/a-b/",
    "password reset, done": "/accounts/password/reset/key/done/",
    "account is inactive": "/accounts/inactive/",
    "nothing there, signed out": "/nothing/here/",
}
"""Public pages."""

ACCOUNT = {
    "orders": "/",
    "account": "/account/",
    "tokens": "/account/tokens/",
    "password": "/accounts/password/change/",
    "sessions": "/accounts/sessions/",
    "second factor, on": "/accounts/2fa/",
    "second factor, turn off": "/accounts/2fa/totp/deactivate/",
    "recovery codes": "/accounts/2fa/recovery-codes/",
    "recovery codes, make new ones": "/accounts/2fa/recovery-codes/generate/",
    "confirm with the password": "/accounts/reauthenticate/",
    "confirm with a code": "/accounts/2fa/reauthenticate/",
    "sign out": "/accounts/logout/",
    "nothing there": "/nothing/here/",
}
"""Pages of a user with a second factor."""

WITHOUT_SECOND_FACTOR = {
    "no orders": "/",
    "second factor, off": "/accounts/2fa/",
    "second factor, set up": "/accounts/2fa/totp/activate/",
}

STAFF = {"fleet": "/fleet/", "fleet, protected": "/fleet/?state=protected"}

NO_PAGES = {
    "page-order-backups",
    "page-order-exclude-estimate",
    "page-backup-create-estimate",
    "page-backup-detail",
    "page-backup-lock",
    "page-backup-accept",
    "page-backup-download",
    "page-backup-file-raw",
    "page-backup-file-download",
    "page-backup-retry",
    "page-operation-cancel",
    "page-backups-bulk",
    "page-schedule-create-preview",
    "page-schedule-edit-preview",
    "page-order-notifications-choice",
    "page-order-notifications-add",
    "page-order-endpoint-test",
    "page-order-endpoint-switch",
    "page-order-endpoint-rotate",
    "page-order-delivery-replay",
    "notices-unsubscribe",
    "usersessions_end",
    "mfa_download_recovery_codes",
    # Shown between two steps of a sign-in, which has tests of its own.
    "mfa_authenticate",
}
"""Addresses of parts of pages, of files, and of buttons."""


@dataclass(frozen=True)
class Furnished:
    """A user with everything that pages can show, a user with nothing, and one of the staff."""

    person: Person
    newcomer: Person
    staff: Person
    order: Rented

    places: dict[str, str]
    """The path of each page of `person`, by its description."""

    @property
    def people(self) -> list[Person | None]:
        """Everybody who visits a page."""
        return [None, self.person, self.newcomer, self.staff]

    @property
    def all(self) -> list[tuple[str, Person | None, str]]:
        """Every page as its name, its user, and its path."""
        return [
            *((name, None, path) for name, path in OPEN.items()),
            *((name, self.newcomer, path) for name, path in WITHOUT_SECOND_FACTOR.items()),
            *((name, self.staff, path) for name, path in STAFF.items()),
            *((name, self.person, path) for name, path in self.places.items()),
        ]


def furnish(house: House, **preferences: Any) -> Furnished:
    """Create both users with these preferences, and their data."""
    person = house.person(**preferences)
    newcomer = house.person(**preferences)
    house.do("second_factor", username=person.username)
    token = house.do("token", username=person.username, name="Discord bot", scopes=["view"], days=30)
    house.do("token", username=person.username, name="Old script", days=-1)
    full, rows = _with_every_row(house, person)
    empty = house.rent("Terraria, still empty", owner=person)
    house.rent("Server_of_the_long_winter_nights_of_this_year_and_of_the_year_before", owner=person)
    limit = house.rent("Minecraft, full to the last place", owner=person, limit=2)
    for hours in (30, 60):
        house.backup(limit, f"Two are kept, {hours} hours ago", hours=hours)
    suspended = house.rent("Suspended", owner=person)
    house.backup(suspended, "Kept until a date", hours=400, locked=True)
    house.do("suspend", order=suspended.order)
    restoring = house.rent("Being restored", owner=person)
    house.backup(restoring, "Before the raid", hours=400)
    subject = house.hold(restoring, "Before the raid", kind="restore", **HELD)
    stocked = house.rent("With files", owner=person)
    older, newer = house.do("files", order=stocked.order)
    compared = f"path=server.properties&older={older}&newer={newer}"
    places = {
        "files": stocked.backup(newer, "files/"),
        "files, sorted": stocked.backup(newer, "files/?path=world/playerdata&sort=-size"),
        "files, found": stocked.backup(newer, "files/?search=.dat"),
        "files, a long path": stocked.backup(newer, f"files/?path={'Long%20name/' * 11}Long%20name"),
        "file, text": stocked.backup(newer, "files/file/?path=server.properties"),
        "file, picture": stocked.backup(newer, "files/file/?path=icon.png"),
        "file, neither": stocked.backup(newer, "files/file/?path=world/level.dat"),
        "files of an order": f"{stocked.path}files/",
        "versions": f"{stocked.path}files/?path=server.properties",
        "search in all backups": f"{stocked.path}files/?q=.dat",
        "search in all backups, nothing": f"{stocked.path}files/?q=nowhere",
        "comparison": f"{stocked.path}files/compare/?{compared}",
        "order": full.path,
        "order, only failed ones": f"{full.path}?status=failed",
        "order without backups": empty.path,
        "order, limit reached": limit.path,
        "order, restoring": restoring.path,
        "order, suspended": suspended.path,
        "order, of a tag": f"{full.path}?tag=update&search=java",
        "test restores": f"{full.path}test-restores/",
        "activity": f"{full.path}activity/",
        "files to leave out": f"{full.path}exclude/",
        **_of_schedules(house, full, empty),
        "backup, restoring": restoring.backup(subject),
        "backup, ready": full.backup(rows["ready"]),
        "backup, failed": full.backup(rows["failed"]),
        "backup, in progress": full.backup(rows["held"]),
        "backup, restore undone": full.backup(rows["undone"]),
        "backup, with notes and a proof": full.backup(rows["locked"]),
        "create": f"{empty.path}backups/create/",
        "rename": full.backup(rows["ready"], "rename/"),
        "verify": full.backup(rows["ready"], "verify/"),
        "delete": full.backup(rows["ready"], "delete/"),
        "restore, not now": full.backup(rows["ready"], "restore/"),
        "what a restore would change": full.backup(rows["ready"], "restore/preview/"),
        "restore into a new volume": full.backup(rows["ready"], "restore/volume/"),
        "undo a restore": full.backup(rows["ready"], "undo/"),
        "revoke a token": f"/account/tokens/{token}/revoke/",
        **ACCOUNT,
    }
    staff = house.person(staff=True, **preferences)
    return Furnished(person=person, newcomer=newcomer, staff=staff, order=full, places=places)


def _of_schedules(house: House, full: Rented, empty: Rented) -> dict[str, str]:
    """The pages of schedules, triggers, usage and notices, with every state that they show."""
    nightly = house.do(
        "schedule", order=full.order, name="Nightly", cron="0 4 * * *", time_zone="America/Argentina/Buenos_Aires",
        runs={"succeeded": 20, "failed": 44, "skipped": 68, "unchanged": 92},
        retention={"last": 3, "daily": 7, "weekly": 4}, tags=["nightly", "before_the_update_of_all_mods"],
        exclude="*.log", only_if_changed=True,
    )  # fmt: skip
    house.do("schedule", order=full.order, name="Every_quarter_of_an_hour_of_every_day", cron="*/15 * * * *")
    house.do("schedule", order=full.order, name="Paused", cron="0 0 1 1 *", paused=True)
    house.do("schedule", order=full.order, name="Broken", cron="no", error_code="schedule_broken")
    house.do("schedule", order=full.order, name="Plan", cron="30 3 * * 1", of_plan=True, runs={"failed": 5})
    house.do("trigger", order=full.order, kind="crash", error_code="game_not_watched")
    house.do("trigger", order=full.order, kind="changed_bytes", limit_bytes=64 * MIB)
    house.do(
        "notices", order=full.order, username=full.owner.username,
        kinds=["backup.recovered", "backup.failed", "backup.absent", "limit.near", "restore.succeeded"],
    )  # fmt: skip
    endpoint = house.do("endpoint", order=full.order)
    here, one = f"{full.path}schedules/", f"{full.path}schedules/{nightly}/"
    return {
        "schedules": here,
        "schedules, none": f"{empty.path}schedules/",
        "schedule, new": f"{here}create/",
        "schedule, edit": f"{one}edit/",
        "schedule, run": f"{one}run/",
        "schedule, pause": f"{one}pause/",
        "schedule, delete": f"{one}delete/",
        "calendar": f"{here}calendar/",
        "calendar, week": f"{here}calendar/?view=week",
        "calendar, day": f"{here}calendar/?view=day",
        "triggers": f"{full.path}triggers/",
        "triggers, none": f"{empty.path}triggers/",
        "usage": f"{full.path}usage/",
        "notifications": f"{full.path}notifications/",
        "address": f"{full.path}notifications/{endpoint}/",
        "address, remove": f"{full.path}notifications/{endpoint}/delete/",
        "inbox": "/inbox/",
        "choice of notices": "/account/notices/",
    }


def _with_every_row(house: House, owner: Person) -> tuple[Rented, dict[str, str]]:
    """An order with a backup in each state."""
    order = house.rent("Valheim night shift", owner=owner)
    rows = {
        "ready": house.backup(
            order,
            "Before the update of all mods that we have installed since spring",
            hours=50,
            warnings=[
                {"kind": "changed", "path": "world/region/r.0.0.mca"},
                {"kind": "unreadable", "path": "plugins/a/very/long/path/that/does/not/fit/on/any/phone/at/all.jar"},
            ],
            warnings_total=2,
            excluded={
                "entries": 3,
                "bytes": 5 << 20,
                "patterns": ["*.log", "/plugins/a/very/long/path/that/does/not/fit/"],
            },
        ),
        "locked": house.backup(
            order,
            "Season 1, final",
            hours=24 * 70,
            mebibytes=812,
            locked=True,
            added_bytes=700 * MIB,
            tags=["update", "before_the_update_of_all_mods"],
            notes="Java 21\nhttps://example.com/a/very/long/address/",
            proof=PROOF | {"ok": True},
            proven_at=PROOF["at"],
        ),
        "failed": house.backup(order, "Nightly", status="failed", hours=20),
        "safety": house.backup(order, "Safety backup", hours=49, is_safety=True),
        "undone": house.backup(
            order,
            "Before_the_update_of_all_mods_of_the_spring",
            hours=30,
            verified=3,
            degraded=True,
            proof=PROOF | {"ok": False, "damaged": [{"path": "world/region/r.0.0.mca", "reason": "unreadable"}]},
        ),
    }
    house.finish(house.hold(order, "Before_the_update_of_all_mods_of_the_spring", kind="undo"))
    rows["held"] = house.hold(order, "Nightly, second try", **HELD)
    return order, rows


def confirmed(house: House, person: Person) -> Person:
    """The same user in another browser, right after entering the password."""
    return replace(person, session=house.do("session", username=person.username))
