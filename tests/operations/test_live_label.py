"""A backup taken beside a running game is `live` in rows, API and pages, and rows of the earlier name are renamed."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from backups.models import Backup
from backups.web import detail, rows
from repository.archive_manifest import CONSISTENCIES
from tests.api.conftest import client_of
from tests.factories import BackupFactory
from tests.operations.test_collapsed import server  # noqa: F401  # a fixture
from tests.web.backups.reading import read
from tests.web.conftest import browser_of
from wire.enums import Consistency


@pytest.fixture
def migrated(transactional_db):
    """Bring the schema to a migration of backups; the newest comes back at the end."""
    newest = MigrationExecutor(connection).loader.graph.leaf_nodes()

    def bring(name: str) -> None:
        MigrationExecutor(connection).migrate([("backups", name)])

    yield bring
    MigrationExecutor(connection).migrate(newest)


def test_rows_of_the_earlier_name_are_renamed_and_back(migrated):
    kept = {name: BackupFactory(consistency=name).id for name in ("live", "quiesced", "stopped")}
    kept["none"] = BackupFactory(consistency=None).id

    def names():
        return dict(Backup.objects.filter(id__in=kept.values()).values_list("id", "consistency"))

    before = names()
    migrated("0005_collapsed")
    assert names() == {**before, kept["live"]: "crash"}
    migrated("0006_live")
    assert names() == before


def test_every_place_names_the_same_consistencies():
    names = {"live", "quiesced", "stopped"}
    assert set(Consistency) == set(rows.CONSISTENCIES) == set(detail.CONSISTENCIES) == names
    assert set(CONSISTENCIES) == names | {"crash"}


def test_backup_beside_a_game_is_live_for_api_and_page(server):  # noqa: F811
    backup = server.backup()
    assert client_of(server.shop.owner).get(server.url(backup)).json()["consistency"] == "live"
    page = read(browser_of(server.shop.owner).get(f"{server.page}backups/{backup.id}/"))
    assert "a database among them may not open" in page.one("dl", class_="facts").text
