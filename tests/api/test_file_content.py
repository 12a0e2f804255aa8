"""One file out of a backup: its bytes, ranges of them, and headers that keep a browser from running it."""

from __future__ import annotations

import io
import tarfile
from datetime import timedelta

import pytest
from django.utils import timezone

from backups.models import Backup
from orders.models import BackupFormat
from tests.api.problems import assert_problem
from tests.api.test_files import archives
from tests.factories import OrderUserPermissionFactory
from tests.world.clients import client_of

LEVEL = bytes(range(256)) * 40


@pytest.fixture
def backup(stocked):
    return stocked.keep()


@pytest.fixture
def client(stocked):
    return client_of(stocked.owner)


@pytest.fixture
def file(stocked, backup, client):
    def get(path, **headers):
        return client.get(stocked.backup_url(backup, "files/content/"), {"path": path}, **headers)

    return get


def read(response):
    return b"".join(response.streaming_content)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("world/level.dat", LEVEL),
        ("world/twin.dat", LEVEL),
        ("b%FFd.txt", b"bytes"),
        ("logs/2026 & more/latest 100%25.log", b"<script>alert(1)</script>\n"),
        ("Long name/" * 12 + "deep.txt", b"deep"),
        ("world/playerdata/007.dat", b"x" * 493),
    ],
)
def test_a_file_is_its_bytes(path, content, file):
    response = file(path)
    assert (response.status_code, read(response), response["Content-Length"]) == (200, content, str(len(content)))


def test_a_large_file_is_its_bytes(file, stocked):
    content = (stocked.files / "world/region/r.0.0.mca").read_bytes()
    assert read(file("world/region/r.0.0.mca")) == content
    part = file("world/region/r.0.0.mca", HTTP_RANGE="bytes=1000000-2500000")
    assert (part.status_code, read(part)) == (206, content[1000000:2500001])
    assert part["Content-Range"] == f"bytes 1000000-2500000/{len(content)}"


def test_no_browser_runs_it(file):
    response = file("logs/2026 & more/latest 100%25.log")
    expected = {
        "Content-Type": "application/octet-stream",
        "Content-Disposition": "attachment; filename=\"latest 100_25.log\"; filename*=UTF-8''latest%20100%2525.log",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "private, no-cache, no-transform",
    }
    assert {name: response[name] for name in expected} == expected


def test_head_and_conditions(file, client, stocked, backup):
    whole = file("world/level.dat")
    head = client.head(stocked.backup_url(backup, "files/content/"), {"path": "world/level.dat"})
    assert (head.status_code, read(head), head["Content-Length"]) == (200, b"", "10240")
    again = file("world/level.dat", HTTP_IF_NONE_MATCH=whole["ETag"])
    assert (again.status_code, again.content) == (304, b"")
    assert file("world/twin.dat", HTTP_IF_NONE_MATCH=whole["ETag"]).status_code == 200
    assert_problem(file("world/level.dat", HTTP_IF_MATCH='"other"'), 412, "precondition_failed")
    assert_problem(file("world/level.dat", HTTP_RANGE="bytes=10240-"), 416, "range_not_satisfiable")
    assert file("world/level.dat", HTTP_RANGE="bytes=5-", HTTP_IF_RANGE='"other"').status_code == 200


def test_a_folder_is_an_archive_of_it(file, client):
    response = file("world")
    assert response.status_code == 302
    with tarfile.open(fileobj=io.BytesIO(read(client.get(response["Location"])))) as opened:
        names = opened.getnames()
    assert {"world/level.dat", "world/region/r.0.0.mca"} <= {*names}
    assert all(name.split("/")[0] == "world" for name in names)


@pytest.mark.parametrize("path", ["nothing", "world/way"])
def test_what_is_no_file_is_not_found(path, file):
    assert_problem(file(path), 404, "path_not_found")


@pytest.mark.parametrize("path", ["", "../etc/passwd", "/etc/passwd", "world/../../x", "a%00"])
def test_a_path_that_leads_elsewhere_is_refused(path, file):
    assert_problem(file(path), 400, "validation_error")


@archives
def test_damage_is_told_and_noted(file, stocked, backup):
    path = stocked.root / backup.asset.key
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(content)
    assert_problem(file("world/level.dat"), 409, "archive_damaged")
    assert Backup.objects.get(id=backup.id).degraded


@pytest.fixture
def history(stocked):
    """Three backups: the second changed a text, the third is of a server without it."""
    first = stocked.keep(name="first")
    stocked.write("server.properties", b"motd=Bye\nport=25565\n")
    second = stocked.keep(name="second")
    (stocked.files / "server.properties").unlink()
    third = stocked.keep(name="third")
    for age, made in enumerate((third, second, first)):
        Backup.objects.filter(id=made.id).update(created_at=timezone.now() - timedelta(days=age))
    return first, second, third


def versions(stocked, client, path, **query):
    return client.get(f"{stocked.backups.removesuffix('backups/')}versions/", {"path": path, **query})


def search(stocked, client, text):
    return client.get(f"{stocked.backups.removesuffix('backups/')}search/", {"q": text})


def test_the_versions_of_a_path_are_told_newest_first(history, stocked, client):
    first, second, third = history
    shown = versions(stocked, client, "server.properties").json()
    assert (shown["next"], shown["previous"], shown["unreadable"]) == (None, None, [])
    found = [(entry["backup"], entry["size_bytes"], entry["same_as_previous"]) for entry in shown["results"]]
    assert found == [(str(second.id), 20, False), (str(first.id), 22, False)]
    assert set(shown["results"][0]) == {
        "backup", "created_at", "kind", "size_bytes", "modified_at", "same_as_previous",
    }  # fmt: skip
    level = versions(stocked, client, "world/level.dat").json()["results"]
    assert [(entry["backup"], entry["same_as_previous"]) for entry in level] == [
        (str(third.id), True), (str(second.id), True), (str(first.id), False),
    ]  # fmt: skip
    assert versions(stocked, client, "world").json()["results"][0]["size_bytes"] is None


def test_versions_go_over_pages_of_backups(history, stocked, client, monkeypatch):
    monkeypatch.setattr("backups.services.versions.BACKUPS_A_PAGE", 2)
    first, *_ = history
    page = versions(stocked, client, "world/level.dat").json()
    assert [entry["same_as_previous"] for entry in page["results"]] == [True, True]
    rest = client.get(page["next"]).json()
    assert [entry["backup"] for entry in rest["results"]] == [str(first.id)]
    assert client.get(rest["previous"]).json()["results"] == page["results"]
    assert versions(stocked, client, "nothing").json()["results"] == []


def test_a_backup_whose_files_cannot_be_listed_is_named(history, stocked, client):
    second = history[1]
    suffix = "" if stocked.format == BackupFormat.REPOSITORY else ".listing"
    (stocked.root / f"{second.asset.key}{suffix}").write_bytes(b"x")
    shown = versions(stocked, client, "world/level.dat").json()
    assert shown["unreadable"] == [str(second.id)]
    assert len(shown["results"]) == 2
    assert len(search(stocked, client, "level").json()["results"]) == 1


def test_a_path_that_no_backup_has(history, stocked, client):
    assert_problem(versions(stocked, client, "nothing"), 404, "path_not_found")
    assert_problem(versions(stocked, client, "../x"), 400, "validation_error")
    assert_problem(versions(stocked, client, "world", cursor="x"), 400, "validation_error")


def test_names_are_searched_in_all_backups(history, stocked, client):
    _, second, third = history
    shown = search(stocked, client, "PROPER").json()
    assert [(entry["path"], entry["backup"]) for entry in shown["results"]] == [("server.properties", str(second.id))]
    assert shown["complete"] is True
    level = search(stocked, client, "level").json()["results"]
    assert [(entry["path"], entry["backup"]) for entry in level] == [("world/level.dat", str(third.id))]
    assert_problem(search(stocked, client, ""), 400, "validation_error")


def test_a_search_that_finds_too_much_or_takes_too_long_says_so(history, stocked, client, monkeypatch):
    monkeypatch.setattr("backups.services.versions.FOUND_MOST", 50)
    shown = search(stocked, client, ".dat").json()
    assert (len(shown["results"]), shown["complete"]) == (50, False)
    monkeypatch.setattr("backups.services.versions.SEARCH_SECONDS", -1)
    shown = search(stocked, client, ".dat").json()
    assert (shown["results"], shown["complete"]) == ([], False)


def test_searches_at_once_are_bounded(history, stocked, client, monkeypatch):
    monkeypatch.setattr("backups.services.browsing.SCANS_PER_CUSTOMER", 0)
    response = search(stocked, client, "level")
    assert_problem(response, 429, "throttled")
    assert response["Retry-After"]


def test_versions_and_search_need_the_right_to_read(history, stocked):
    given = OrderUserPermissionFactory(content_object=stocked.order, right="restore_backup")
    reader = client_of(given.user)
    assert_problem(versions(stocked, reader, "world"), 403, "permission_denied")
    assert_problem(search(stocked, reader, "world"), 403, "permission_denied")
