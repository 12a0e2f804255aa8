"""Downloads from the pages: a redirect to the bytes, or a page with the problem."""

from __future__ import annotations

import pytest

from orders.rights import OrderRight
from tests.factories import OrderUserPermissionFactory
from tests.factories.backups import CONTENT
from tests.web.backups.reading import read
from tests.world.clients import browser_of
from tests.world.rental import Rental
from vault.models import StorageTarget


def bytes_of(answer):
    return b"".join(answer.streaming_content)


def assert_page(answer, status, title):
    """Check for an HTML page that no browser saves as a file."""
    assert answer.status_code == status
    assert answer["Content-Type"] == "text/html; charset=utf-8"
    assert "Content-Disposition" not in answer
    page = read(answer)
    assert page.one("h1").text == title
    assert answer["X-Request-ID"] in page.one(id="main").text
    return page


def test_download_redirects_to_the_exact_bytes(rental, owner):
    backup = rental.stored(name="Ä/b")
    answer = owner.get(rental.at(backup, "download/"))
    assert (answer.status_code, answer["Location"]) == (302, f"/api/v1/assets/{backup.asset_id}/")
    file = owner.get(answer["Location"])
    assert (file.status_code, bytes_of(file)) == (200, CONTENT)
    assert file["Content-Disposition"].startswith('attachment; filename="_')


def test_a_suspended_customer_still_gets_their_backups(rental, owner):
    backup = rental.stored()
    rental.suspend()
    assert bytes_of(owner.get(rental.at(backup, "download/"), follow=True)) == CONTENT


def test_member_needs_the_right_to_download(rental):
    backup = rental.stored()
    able = OrderUserPermissionFactory(content_object=rental.order, right=OrderRight.DOWNLOAD.value).user
    assert bytes_of(browser_of(able).get(rental.at(backup, "download/"), follow=True)) == CONTENT
    unable = OrderUserPermissionFactory(content_object=rental.order, right=OrderRight.DELETE.value).user
    page = assert_page(browser_of(unable).get(rental.at(backup, "download/")), 403, "Not allowed")
    assert "Ask the owner of the order." in page.one(id="main").text


def test_missing_object_is_reported_before_anything_is_saved(rental, owner):
    backup = rental.stored()
    (rental.root / backup.asset.key).unlink()
    page = assert_page(owner.get(rental.at(backup, "download/")), 409, "Backup damaged")
    assert "Your server was not changed. Use another backup, and tell support." in page.one(id="main").text
    assert page.one(id="main").one("a", class_="primary")["href"] == rental.page


def test_an_object_of_another_size_is_damaged(rental, owner):
    backup = rental.stored()
    (rental.root / backup.asset.key).write_bytes(CONTENT[:-1])
    assert_page(owner.get(rental.at(backup, "download/")), 409, "Backup damaged")


def test_missing_storage_is_reported_and_the_backup_kept(rental, owner):
    backup = rental.stored()
    StorageTarget.objects.update(options={"root": str(rental.root / "not mounted")})
    page = assert_page(owner.get(rental.at(backup, "download/")), 503, "Storage not reachable")
    assert "Nothing was lost. Try again later." in page.one(id="main").text


@pytest.mark.parametrize(
    "arrange", [lambda rental: rental.failed(), lambda rental: rental.begun()], ids=["failed", "creating"]
)
def test_backup_without_bytes_has_no_download(arrange, rental, owner):
    backup = arrange(rental)
    page = assert_page(owner.get(rental.at(backup, "download/")), 409, "Not possible now")
    assert f"“{backup.get_status_display()}”" in page.one(id="main").text
    assert not read(owner.get(rental.page)).has(id=f"download-{backup.id}")


def test_bytes_of_another_order_are_not_reachable_here(rental, owner, tmp_path_factory):
    other = Rental.make(tmp_path_factory.mktemp("other"), is_default=False)
    answer = owner.get(rental.at(other.stored(), "download/"))
    assert answer.status_code == 404
    assert "Location" not in answer
