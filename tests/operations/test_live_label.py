"""A backup taken beside a running game is `live` in API and pages."""

from __future__ import annotations

from backups.web import detail, rows
from repository.archive.manifest import CONSISTENCIES
from sidecar.game.game import Consistency as OfTheSidecar
from sidecar_client.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire
from sidecar_client.values import Consistency
from tests.api.conftest import client_of
from tests.operations.test_collapsed import server  # noqa: F401  # a fixture
from tests.web.backups.reading import read
from tests.web.conftest import browser_of


def test_every_place_names_the_same_consistencies():
    names = {"live", "quiesced", "stopped"}
    assert {str(value) for value in Consistency} == {value.value for value in OfTheSidecar} == names
    assert set(rows.CONSISTENCIES) == set(detail.CONSISTENCIES) == names
    assert set(CONSISTENCIES) == names | {"crash"}
    of_the_wire = {value.name.removeprefix("CONSISTENCY_").lower() for value in wire.Consistency.DESCRIPTOR.values}
    assert of_the_wire == names | {"unspecified"}
    assert wire.CONSISTENCY_LIVE == 1


def test_backup_beside_a_game_is_live_for_api_and_page(server):  # noqa: F811
    backup = server.backup()
    assert client_of(server.shop.owner).get(server.url(backup)).json()["consistency"] == "live"
    page = read(browser_of(server.shop.owner).get(f"{server.page}backups/{backup.id}/"))
    assert "a database among them may not open" in page.one("dl", class_="facts").text
