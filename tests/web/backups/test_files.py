"""The pages of files: folders, one file and what is shown of it, versions, comparisons, and a search."""

from __future__ import annotations

import io
import zipfile
from datetime import timedelta
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from django.utils import timezone

from backups.models import Backup
from orders.models import BackupFormat
from tests.api.test_files import archives
from tests.factories import OrderUserPermissionFactory
from tests.world.clients import browser_of
from tests.world.stocked import PICTURE


@pytest.fixture
def browser(stocked):
    return browser_of(stocked.owner)


@pytest.fixture
def backup(stocked):
    stocked.write("icon.png", PICTURE)
    stocked.write("page.html", b"<script>alert(1)</script>")
    stocked.write("picture.png", b"<svg onload=alert(1)>")
    return stocked.keep(name="Before the update")


@pytest.fixture
def page(stocked, backup, browser):
    def get(rest="", **query):
        return browser.get(f"/orders/{stocked.order.id}/backups/{backup.id}/files/{rest}", query)

    return get


def text(response, status=200):
    assert response.status_code == status
    return response.content.decode()


def test_the_page_of_a_backup_leads_to_its_files(stocked, backup, browser):
    here = f"/orders/{stocked.order.id}/backups/{backup.id}/"
    assert f'href="{here}files/"' in text(browser.get(here))


def test_a_folder_has_links_to_folders_and_files(page, stocked, backup):
    shown = text(page(path="world"))
    here = f"/orders/{stocked.order.id}/backups/{backup.id}/files/"
    for address in (f"{here}?path=world%2Fregion", f"{here}file/?path=world%2Flevel.dat", f'{here}"'):
        assert address in shown
    assert f"{here}file/?path=world%2Fway" not in shown
    assert "leads to" in shown
    assert "10\N{NO-BREAK SPACE}KiB" in shown
    assert 'aria-current="page"><bdi>world</bdi>' in shown


def test_names_of_any_letters_are_shown_and_lead_on(page, browser):
    shown = text(page())
    assert "b%FFd.txt" in shown
    folder = text(page(path="logs/2026 & more"))
    assert "latest 100%25.log" in folder
    address = folder.split('class="entry"')[1].split('<a href="')[1].split('"')[0].replace("&amp;", "&")
    assert "&lt;script&gt;alert(1)" in text(browser.get(address))


def test_pages_and_sorts_are_links(page, browser):
    first = text(page(path="world/playerdata", sort="-size"))
    assert 'aria-sort="descending"' in first
    (following,) = [part.split('"')[0] for part in first.split('rel="next" href="')[1:]]
    second = text(browser.get(page(path="world/playerdata").request["PATH_INFO"] + following.replace("&amp;", "&")))
    assert "119.dat" in second
    assert "099.dat" not in second
    wrong = page(path="world/playerdata", cursor="nonsense")
    assert (wrong.status_code, wrong["Location"].partition("?")[2]) == (302, "path=world%2Fplayerdata")


def test_what_is_searched_is_found_below_the_folder(page):
    assert "world/level.dat" in text(page(search="LEVEL"))
    assert "Nothing was found" in text(page(search="nothing at all"))


def test_chosen_files_go_to_the_restore(page, backup):
    response = page(chosen=["world/level.dat", "b%FFd.txt"], **{"with": "restore"})
    assert response.status_code == 302
    address = urlsplit(response["Location"])
    assert address.path.endswith(f"/backups/{backup.id}/restore/")
    assert parse_qs(address.query) == {"path": ["world/level.dat", "b%FFd.txt"]}
    none = page(path="world", **{"with": "zip"})
    assert (none.status_code, none["Location"].partition("?")[2]) == (302, "path=world")
    assert page(chosen="../x", **{"with": "restore"}).status_code == 404


def test_chosen_files_are_downloaded_as_one_file(page, stocked, browser):
    shown = text(page())
    assert "Download as .zip" in shown
    assert ("For a download the archive is read up to" in shown) is (stocked.format == BackupFormat.ARCHIVE)
    way = browser.get(page(chosen=["world/level.dat", "empty"], **{"with": "zip"})["Location"])
    archive = b"".join(browser.get(way["Location"]).streaming_content)
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert opened.namelist() == ["empty/", "world/", "world/level.dat"]
        assert opened.read("world/level.dat") == bytes(range(256)) * 40


@pytest.mark.parametrize("path", ["nothing", "world/nothing", "../..", "a%00", "%zz"])
@pytest.mark.parametrize("archive", ["zip", "tar.gz", "tar.zst"])
def test_chosen_path_that_is_not_there_is_said_on_a_page(path, archive, stocked, backup, browser):
    """The address of the bytes would answer with JSON."""
    address = f"/orders/{stocked.order.id}/backups/{backup.id}/download/"
    response = browser.get(address, {"path": ["world/level.dat", path], "format": archive})
    assert (response.status_code, response["Content-Type"]) == (404, "text/html; charset=utf-8")


@pytest.mark.parametrize("path", ["nothing", "../..", "/etc", "a%00", "%zz"])
def test_a_path_that_is_not_there_is_a_404(path, page):
    for rest in ("", "file/", "raw/", "download/"):
        assert page(rest, path=path).status_code == 404


def test_a_text_is_shown_as_text(page):
    shown = text(page("file/", path="page.html"))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert "<script>alert(1)" not in shown
    assert "22" in text(page("file/", path="server.properties"))


def test_a_picture_is_shown_under_its_own_type_in_a_sandbox(page):
    assert '<img class="picture" src="' in text(page("file/", path="icon.png"))
    raw = page("raw/", path="icon.png")
    assert (raw.status_code, raw["Content-Type"], raw.content) == (200, "image/png", PICTURE)
    assert raw["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert raw["X-Content-Type-Options"] == "nosniff"
    assert raw["Content-Disposition"] == "inline"


@pytest.mark.parametrize("path", ["page.html", "picture.png", "world/level.dat", "server.properties"])
def test_what_is_no_picture_is_never_sent_to_be_shown(path, page):
    assert page("raw/", path=path).status_code == 404


def test_what_cannot_be_shown_can_be_downloaded(page, browser):
    assert "not shown here" in text(page("file/", path="world/level.dat"))
    response = page("download/", path="world/level.dat")
    assert response.status_code == 302
    download = browser.get(response["Location"])
    assert b"".join(download.streaming_content) == bytes(range(256)) * 40
    assert download["Content-Disposition"] == 'attachment; filename="level.dat"'


@archives
def test_a_large_archive_is_read_only_when_somebody_asks(page, monkeypatch):
    monkeypatch.setattr("backups.services.files.PASS_BYTES_MAX", 0)
    shown = text(page("file/", path="page.html"))
    assert "Show the content" in shown
    assert "alert(1)" not in shown
    assert "alert(1)" in text(page("file/", path="page.html", show="1"))
    monkeypatch.setattr("backups.services.files.PASS_BYTES_LIMIT", 0)
    assert "not shown here" in text(page("file/", path="page.html", show="1"))
    assert page("raw/", path="icon.png").status_code == 404


@archives
def test_passes_over_archives_are_bounded(page, monkeypatch):
    monkeypatch.setattr("backups.services.browsing.SCANS_PER_CUSTOMER", 0)
    assert page("file/", path="page.html").status_code == 429


@pytest.fixture
def history(stocked, backup):
    stocked.write("server.properties", b"motd=Bye\nport=25565\n", changed=1_600_000_100)
    second = stocked.keep(name="After the update")
    third = stocked.keep(name="Today")
    for age, made in enumerate((third, second, backup)):
        Backup.objects.filter(id=made.id).update(created_at=timezone.now() - timedelta(days=age))
    return backup, second, third


def test_versions_say_what_changed_and_lead_on(history, stocked, browser):
    first, second, third = history
    shown = text(browser.get(f"/orders/{stocked.order.id}/files/", {"path": "server.properties"}))
    order = [shown.index(name) for name in ("Today", "After the update", "Before the update")]
    assert order == sorted(order)
    assert [shown.count(word) for word in ("Same as before", "Oldest shown", "</svg>Changed</span>")] == [1, 1, 1]
    compare = f"compare/?path=server.properties&amp;older={first.id}&amp;newer={second.id}"
    assert compare in shown
    differ = text(browser.get(f"/orders/{stocked.order.id}/files/{compare.replace('&amp;', '&')}"))
    assert "<del>- motd=Hello" in differ
    assert "<ins>+ motd=Bye" in differ
    assert f"/backups/{third.id}/restore/?path=server.properties" in shown


def test_what_is_no_text_is_not_compared(history, stocked, browser):
    first, second, third = history
    address = f"/orders/{stocked.order.id}/files/compare/"
    query = {"path": "world/region/r.0.0.mca", "older": first.id, "newer": second.id}
    assert "the same" in text(browser.get(address, query))
    stocked.write("world/level.dat", b"\0other")
    fourth = stocked.keep()
    query = {"path": "world/level.dat", "older": third.id, "newer": fourth.id}
    assert "cannot be compared" in text(browser.get(address, query))
    assert browser.get(address, query | {"older": "x"}).status_code == 404
    assert browser.get(address, query | {"path": "none"}).status_code == 404


def test_a_long_comparison_is_refused_before_it_begins(history, stocked, browser, monkeypatch):
    monkeypatch.setattr("backups.services.files.COMPARED_LINES_MAX", 1)
    first, second, _ = history
    query = {"path": "server.properties", "older": first.id, "newer": second.id}
    assert "cannot be compared" in text(browser.get(f"/orders/{stocked.order.id}/files/compare/", query))


def test_names_are_searched_over_all_backups(history, stocked, browser):
    address = f"/orders/{stocked.order.id}/files/"
    shown = text(browser.get(address, {"q": "proper"}))
    assert f"?path={quote('server.properties')}" in shown
    assert "Today" in shown
    assert "Nothing was found" in text(browser.get(address, {"q": "nothing at all"}))
    assert "Files in the newest backup" in text(browser.get(address))
    assert browser.get(address, {"path": "nothing"}).status_code == 404
    assert browser.get(address, {"path": "../x"}).status_code == 404


def test_who_may_not_read_the_data_sees_no_way_to_it(stocked, backup):
    given = OrderUserPermissionFactory(content_object=stocked.order, right="restore_backup")
    browser = browser_of(given.user)
    assert "/files/" not in text(browser.get(f"/orders/{stocked.order.id}/"))
    assert "/files/" not in text(browser.get(f"/orders/{stocked.order.id}/backups/{backup.id}/"))
    assert browser.get(f"/orders/{stocked.order.id}/files/").status_code == 403
