"""A backup taken beside a running game is `live` in API and pages."""

from __future__ import annotations

from backups.web import detail, rows
from repository.archive.manifest import CONSISTENCIES
from tests.operations.test_collapsed import server  # noqa: F401  # a fixture
from tests.web.backups.reading import read
from tests.world.clients import browser_of, client_of
from wire.enums import Consistency


def test_every_place_names_the_same_consistencies():
    names = {"live", "quiesced", "stopped"}
    assert set(Consistency) == set(rows.CONSISTENCIES) == set(detail.CONSISTENCIES) == names
    assert set(CONSISTENCIES) == names | {"crash"}


def test_backup_beside_a_game_is_live_for_api_and_page(server):  # noqa: F811
    backup = server.backup()
    assert client_of(server.owner).get(server.backup_url(backup)).json()["consistency"] == "live"
    page = read(browser_of(server.owner).get(f"{server.page}backups/{backup.id}/"))
    assert "a database among them may not open" in page.one("dl", class_="facts").text
