"""The files in a backup: folders by page, sorted and searched; and what is refused."""

from __future__ import annotations

import os
import shutil
import signal
import time
from contextlib import suppress
from urllib.parse import quote

import pytest

from accounts.scopes import Scope
from config.chores import CHORES
from orders.models import BackupFormat
from tests.api.problems import assert_problem
from tests.factories import OrderUserPermissionFactory, UserFactory
from tests.world.clients import client_of
from tests.world.stocked import NOT_UTF8
from vault.services.derived import PARTIAL_SECONDS, derived_of
from vault.services.keys import DataKeys


@pytest.fixture
def backup(stocked):
    return stocked.keep()


@pytest.fixture
def client(stocked):
    return client_of(stocked.owner)


@pytest.fixture
def folder(stocked, backup, client):
    def get(path="", *, answers=client, **query):
        return answers.get(stocked.backup_url(backup, "files/"), {"path": path, **query})

    return get


archives = pytest.mark.parametrize("stocked", [BackupFormat.ARCHIVE], indirect=True, ids=str)
snapshots = pytest.mark.parametrize("stocked", [BackupFormat.REPOSITORY], indirect=True, ids=str)


def paths(response):
    assert response.status_code == 200, response.json()
    return [entry["path"] for entry in response.json()["results"]]


def test_the_root_and_a_folder_show_their_direct_entries(folder, stocked):
    root = folder().json()["results"]
    assert [entry["path"] for entry in root] == [
        "Long name", "b%FFd.txt", "empty", "logs", "server.properties", "world",
    ]  # fmt: skip
    assert root[4] == {
        "path": "server.properties", "kind": "file", "size_bytes": 22, "modified_at": "2020-09-13T12:26:40Z",
        "mode": f"{(stocked.files / 'server.properties').stat().st_mode & 0o777:04o}", "target": None,
    }  # fmt: skip
    world = {entry["path"]: entry for entry in folder("world").json()["results"]}
    assert list(world) == ["world/level.dat", "world/playerdata", "world/region", "world/twin.dat", "world/way"]
    assert (world["world/region"]["kind"], world["world/region"]["size_bytes"]) == ("folder", None)
    assert (world["world/way"]["kind"], world["world/way"]["target"]) == ("symlink", "level.dat")
    assert world["world/twin.dat"] == world["world/level.dat"] | {"path": "world/twin.dat"}
    assert paths(folder("empty")) == []
    assert paths(folder("logs/2026 & more")) == ["logs/2026 & more/latest 100%25.log"]


def test_every_page_is_reached_forward_and_back(folder, client):
    first = folder("world/playerdata").json()
    assert (len(first["results"]), first["previous"]) == (100, None)
    second = client.get(first["next"]).json()
    assert ([len(second["results"]), second["next"]]) == [20, None]
    assert client.get(second["previous"]).json()["results"] == first["results"]
    found = [entry["path"] for entry in first["results"] + second["results"]]
    assert found == [f"world/playerdata/{number:03d}.dat" for number in range(120)]


@pytest.mark.parametrize("sort", ["-name", "size", "-size", "modified_at"])
def test_entries_are_sorted(sort, folder, client):
    first = folder("world/playerdata", sort=sort).json()
    rest = client.get(first["next"]).json()
    found = [entry["path"] for entry in first["results"] + rest["results"]]
    names = [f"world/playerdata/{number:03d}.dat" for number in range(120)]
    assert found == (names[::-1] if sort in ("-name", "size") else names)
    assert client.get(rest["previous"]).json()["results"] == first["results"]


def test_names_are_searched_below_a_folder(folder, client):
    assert paths(folder(search="LEVEL")) == ["world/level.dat"]
    assert paths(folder("world/region", search="level")) == []
    assert paths(folder(search="100%")) == ["logs/2026 & more/latest 100%25.log"]
    first = folder("world", search=".dat").json()
    rest = client.get(first["next"]).json()
    assert len(first["results"]) == 100
    assert [entry["path"] for entry in rest["results"]][-1] == "world/twin.dat"
    assert len(rest["results"]) == 22
    assert rest["next"] is None


@pytest.mark.parametrize("path", ["nothing", "world/nothing", "server.properties", "world/way", "b%25FFd.txt"])
def test_a_folder_that_is_not_there(path, folder):
    assert_problem(folder(path), 404, "path_not_found")


@pytest.mark.parametrize(
    "path", ["/", "..", "world/..", "world//region", "./world", "world/", "%00", "%zz", "%41", "b\xffd"]
)
def test_a_path_that_leads_elsewhere_is_refused(path, folder):
    response = folder(path)
    if path == "b\xffd":
        assert_problem(response, 404, "path_not_found")
        return
    assert_problem(response, 400, "validation_error")
    assert "path" in response.json()["errors"]


@pytest.mark.parametrize(
    "query",
    [
        {"sort": "colour"}, {"cursor": "nonsense"}, {"cursor": ">%zz"}, {"sort": "size", "cursor": "x"},
        {"sort": "size", "cursor": "9" * 40}, {"search": "x" * 201}, {"search": "x", "sort": "size"},
    ],
)  # fmt: skip
def test_what_is_no_query_of_this_list_is_refused(query, folder):
    assert_problem(folder(**query), 400, "validation_error")


def test_a_folder_too_large_to_sort_says_so(folder, monkeypatch):
    monkeypatch.setattr("backups.services.browsing.SORTED_MOST", 119)
    response = folder("world/playerdata", sort="size")
    assert_problem(response, 400, "validation_error")
    assert "sort" in response.json()["errors"]
    assert len(paths(folder("world/playerdata"))) == 100


@archives
def test_the_listing_is_read_once(folder, stocked, backup):
    assert folder().status_code == 200
    listing = stocked.root / f"{backup.asset.key}.listing"
    listing.rename(listing.with_suffix(".away"))
    assert len(paths(folder("world"))) == 5


@archives
def test_a_derived_file_that_is_gone_or_spoilt_is_made_again(folder, backup):
    assert folder().status_code == 200
    derived = derived_of(backup.asset, "entries", keys=DataKeys()).path
    assert derived.stat().st_mode & 0o777 == 0o600
    assert b"server.properties" not in derived.read_bytes()
    # A page that was shown is held: each look is at another folder.
    derived.unlink()
    assert len(paths(folder("world"))) == 5
    derived.write_bytes(derived.read_bytes()[:-1])
    assert len(paths(folder("logs"))) == 1
    spoilt = bytearray(derived.read_bytes())
    spoilt[100] ^= 1
    derived.write_bytes(spoilt)
    assert len(paths(folder("world/region"))) == 1


@archives
def test_derived_files_that_take_too_much_go_oldest_first(folder, stocked, backup, monkeypatch):
    assert folder().status_code == 200
    first = derived_of(backup.asset, "entries", keys=DataKeys()).path
    monkeypatch.setattr("vault.services.derived.KEPT_BYTES_MAX", first.stat().st_size)
    os.utime(first, (1, 1))
    second = stocked.keep()
    assert client_of(stocked.owner).get(stocked.backup_url(second, "files/")).status_code == 200
    assert not first.exists()
    assert derived_of(second.asset, "entries", keys=DataKeys()).path.exists()


def killed_while_storing(derived, pieces):
    """Leftovers of a process that is killed while it stores a derived file."""
    child = os.fork()
    if child == 0:

        def last():
            yield from pieces
            os.kill(os.getpid(), signal.SIGKILL)

        with suppress(BaseException):
            derived.store(last())
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@archives
@pytest.mark.parametrize("pieces", [[], [b"x"], [b"x" * (3 << 20)]], ids=len)
@pytest.mark.parametrize("sweep", ["a chore", "the next file"])
def test_what_a_killed_process_left_is_removed(pieces, sweep, folder, backup):
    derived = derived_of(backup.asset, "entries", keys=DataKeys())
    for age in (PARTIAL_SECONDS + 60, PARTIAL_SECONDS - 60):
        before = set(derived.path.parent.glob(f"{backup.asset_id}*"))
        killed_while_storing(derived, pieces)
        (left,) = set(derived.path.parent.glob(f"{backup.asset_id}*")) - before
        os.utime(left, (time.time() - age, time.time() - age))
    kept = derived.path.with_name(f"{backup.asset_id}.name.of.somebody")
    kept.touch()
    os.utime(kept, (1, 1))
    if sweep == "a chore":
        next(chore for chore in CHORES if chore.name == "trim derived files").run()
    else:
        assert folder().status_code == 200
    # One may still have its writer.
    assert {path.name for path in derived.path.parent.glob(f"{backup.asset_id}*")} - {derived.path.name} == {
        left.name,
        kept.name,
    }


def test_a_page_that_was_shown_is_shown_again_without_reading(folder, stocked, backup):
    shown = paths(folder("world"))
    for name in ("backups", "repositories"):
        shutil.rmtree(stocked.root / name, ignore_errors=True)
    assert paths(folder("world")) == shown
    given = OrderUserPermissionFactory(content_object=stocked.order, right="restore_backup")
    assert_problem(folder("world", answers=client_of(given.user)), 403, "permission_denied")


@archives
def test_a_damaged_or_missing_list_is_told_and_the_backup_is_not_blamed(folder, stocked, backup):
    (stocked.root / f"{backup.asset.key}.listing").write_bytes(b"x" * backup.listing_bytes)
    assert_problem(folder(), 409, "files_unavailable")
    backup.refresh_from_db()
    assert backup.degraded is False
    backup.listing_bytes = None
    backup.save()
    assert_problem(folder(), 409, "files_unavailable")


def test_the_files_need_the_right_to_read_and_the_scope(folder, stocked):
    given = OrderUserPermissionFactory(content_object=stocked.order, right="restore_backup")
    assert_problem(folder(answers=client_of(given.user)), 403, "permission_denied")
    assert_problem(folder(answers=client_of(UserFactory())), 404, "order_not_found")
    assert_problem(folder(answers=client_of(stocked.owner, scopes=(Scope.VIEW,))), 403, "permission_denied")
    assert folder(answers=client_of(stocked.owner, scopes=(Scope.DOWNLOAD,))).status_code == 200


def test_the_name_in_other_bytes_is_written_as_it_is_read(folder):
    (entry,) = folder(search="d.txt").json()["results"]
    assert entry["path"] == quote(NOT_UTF8, safe="")


@snapshots
def test_a_damaged_snapshot_is_told_and_noted(folder, stocked, backup):
    for pack in (stocked.root / "repositories").rglob("packs/*/*"):
        pack.write_bytes(bytes(pack.stat().st_size))
    assert_problem(folder(), 409, "archive_damaged")
    backup.refresh_from_db()
    assert backup.degraded is True


@snapshots
def test_a_snapshot_that_is_newer_than_the_open_repository_is_found(folder, stocked, client):
    assert folder().status_code == 200
    stocked.write("new.txt", b"new")
    newer = stocked.keep()
    found = client.get(stocked.backup_url(newer, "files/"), {"path": ""})
    assert "new.txt" in paths(found)
    content = client.get(stocked.backup_url(newer, "files/content/"), {"path": "new.txt"})
    assert b"".join(content.streaming_content) == b"new"
