"""Patterns through the portal and a real sidecar: which are in force, what a backup says, and what a restore leaves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backups.models import Backup
from orders.models import BackupFormat, Order, Plan
from provisions.models import Provision
from provisions.presets import PRESETS
from tests.factories import OrderUserPermissionFactory, UserFactory
from tests.sidecar_daemon.daemon import Daemon
from tests.world.clients import client_of
from tests.world.reconciled import World

SIZES = {"level.dat": 1000, "logs/latest.log": 200, "logs/old/a.log": 300, "cache/x": 5000, "session.lock": 8}


class Server(World):
    """The rental with a sidecar of its own."""

    data: Path

    def patterns(self, text: str) -> None:
        Provision.objects.filter(id=self.server.id).update(exclude=text)

    def plan(self, **values: object) -> None:
        Plan.objects.filter(id=self.order.plan_id).update(**values)

    def excluded(self, backup: Backup) -> dict[str, object]:
        return client_of(self.owner).get(self.backup_url(backup)).json()["excluded"]

    def estimate(self, *patterns: str) -> dict[str, object]:
        url = f"/api/v1/orders/{self.order.id}/provisions/{self.server.id}/estimate/"
        response = client_of(self.owner).get(url, {"exclude": patterns})
        assert response.status_code == 200, response.content
        return response.json()

    def paths(self) -> set[str]:
        return {str(path.relative_to(self.data)) for path in self.data.rglob("*")}


@pytest.fixture(params=BackupFormat.values)
def server(request: pytest.FixtureRequest, transactional_db: None, tmp_path: Path) -> Iterator[Server]:
    """The server, whose backups are of each format in turn."""
    daemon = Daemon(tmp_path / "sidecar")
    for path, size in SIZES.items():
        (daemon.world / path).parent.mkdir(parents=True, exist_ok=True)
        (daemon.world / path).write_bytes(bytes([size % 251]) * size)
    daemon.start()
    found = Server.make(tmp_path / "storage")
    found.reach(daemon.address, token=daemon.token)
    found.data = daemon.world
    found.plan(backup_format=request.param)
    yield found
    daemon.close()


def test_a_backup_leaves_out_what_was_asked_and_a_restore_leaves_it(server: Server) -> None:
    server.patterns("*.log")
    backup = server.backup(exclude=["/cache/"])
    assert backup.format == Plan.objects.get().backup_format
    assert server.excluded(backup) == {"entries": 4, "bytes": 5500, "patterns": ["*.log", "/cache/"]}
    assert (backup.entries, backup.content_bytes, backup.warnings_total) == (4, 1008, 0)
    before = server.paths()
    (server.data / "logs/latest.log").write_bytes(b"newer")
    (server.data / "extra").touch()
    (server.data / "level.dat").write_bytes(b"ruined")
    restored = server.restore(backup, mode="replace")
    assert (restored.warnings_total, server.paths()) == (0, before)
    assert (server.data / "logs/latest.log").read_bytes() == b"newer"
    assert len((server.data / "level.dat").read_bytes()) == 1000


def test_a_safety_backup_leaves_nothing_out_so_an_undo_brings_back_all(server: Server) -> None:
    whole = server.backup()
    server.patterns("*.log")
    (server.data / "logs/new.log").write_bytes(b"new")
    server.restore(whole, mode="replace")
    assert not (server.data / "logs/new.log").exists()
    assert server.excluded(Backup.objects.get(is_safety=True)) == {"entries": 0, "bytes": 0, "patterns": []}
    server.undo(whole)
    assert (server.data / "logs/new.log").read_bytes() == b"new"


def test_later_patterns_override_earlier_ones(server: Server) -> None:
    server.plan(exclude="*.log\n/cache/")
    (server.data / ".savepointignore").write_text("!latest.log\nlevel.dat\n")
    server.patterns("!level.dat")
    backup = server.backup(exclude=["!a.log"])
    patterns = ["*.log", "/cache/", "!latest.log", "level.dat", "!level.dat", "!a.log"]
    assert server.excluded(backup) == {"entries": 2, "bytes": 5000, "patterns": patterns}


def test_only_the_hosts_patterns_count_on_a_plan_that_forbids_others(server: Server) -> None:
    server.plan(exclude="/cache/")
    server.patterns("a.log")
    (server.data / ".savepointignore").write_text("*\n")
    backup = server.create(exclude=["level.dat"])
    server.plan(customer_patterns=False)
    server.work()
    assert server.excluded(Backup.objects.get(id=backup.id))["patterns"] == ["/cache/", "a.log"]


@pytest.mark.parametrize("chosen", [True, False])
def test_presets_of_a_game_count_only_where_the_plan_says_so(chosen, server: Server, monkeypatch) -> None:
    preset = PRESETS["minecraft-java"]
    monkeypatch.setattr("provisions.presets.PRESETS", {"none": preset})
    server.plan(profile_presets=chosen)
    excluded = server.excluded(server.backup())
    left_out = {"entries": 6, "bytes": 5500, "patterns": list(preset)}
    assert excluded == (left_out if chosen else {"entries": 0, "bytes": 0, "patterns": []})


def test_files_that_are_left_out_do_not_count_as_lost(server: Server) -> None:
    server.backup()
    mostly = server.backup(exclude=["/cache/", "/logs/"])
    assert not mostly.collapsed
    (server.data / "level.dat").unlink()
    (server.data / "cache/x").unlink()
    assert server.backup(exclude=["*.log"]).collapsed


def test_an_estimate_says_what_the_backup_then_leaves_out(server: Server) -> None:
    server.patterns("*.log")
    told = server.estimate("/cache/", "nothing")
    assert told["excluded"] == [
        {"pattern": "*.log", "entries": 2, "bytes": 500, "impossible": False},
        {"pattern": "/cache/", "entries": 2, "bytes": 5000, "impossible": False},
        {"pattern": "nothing", "entries": 0, "bytes": 0, "impossible": False},
    ]
    assert told["paths"] == [
        {"path": "cache", "is_folder": True, "pattern": "/cache/", "entries": 2, "bytes": 5000},
        {"path": "logs/latest.log", "is_folder": False, "pattern": "*.log", "entries": 1, "bytes": 200},
        {"path": "logs/old/a.log", "is_folder": False, "pattern": "*.log", "entries": 1, "bytes": 300},
    ]
    assert (told["entries"], told["bytes"], told["changed_bytes"]) == (4, 1008, 1008)
    assert (told["seconds"], told["more"]) == (None, False)
    backup = server.backup(exclude=["/cache/", "nothing"])
    assert (backup.entries, backup.content_bytes) == (4, 1008)
    later = server.estimate("/cache/")
    assert later["seconds"] is not None
    assert later["changed_bytes"] == 0


def test_an_estimate_names_files_only_to_those_who_may_read_them(server: Server) -> None:
    member = UserFactory()
    OrderUserPermissionFactory(content_object=Order.objects.get(), user=member, right="create_backup")
    url = f"/api/v1/orders/{server.order.id}/provisions/{server.server.id}/estimate/"
    told = client_of(member).get(url, {"exclude": ["*.log"]}).json()
    assert (told["paths"], told["excluded"][0]["entries"]) == (None, 2)
