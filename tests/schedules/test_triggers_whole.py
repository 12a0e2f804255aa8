"""The whole way once: a real game dies beside a real sidecar, and the backup that the tick makes can be restored."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.cache import cache
from django.utils import timezone
from rest_framework.test import APIClient

from backups.models import Backup, BackupStatus
from operations.models import ChoreRun
from operations.services.chores import chore_answer, chores_request
from schedules.models import Trigger
from tests.sidecar_daemon.daemon import Daemon, eventually
from tests.sidecar_daemon.games import GameProcess, ScriptedServer
from tests.world.clients import client_of
from tests.world.rental import Rental

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

LEVEL = b"level" * 1000


@pytest.fixture
def game(tmp_path: Path) -> Iterator[GameProcess]:
    (tmp_path / "sidecar").mkdir()
    game = GameProcess(ScriptedServer(tmp_path / "sidecar"))
    game.start()
    yield game
    game.close()


@pytest.fixture
def daemon(game: GameProcess) -> Iterator[Daemon]:
    daemon = Daemon(game.folder)
    daemon.world.mkdir()
    (daemon.world / "level.dat").write_bytes(LEVEL)
    daemon.game = game.control()
    daemon.start()
    yield daemon
    daemon.close()


@pytest.fixture
def rental(daemon: Daemon, transactional_db: None, tmp_path: Path) -> Rental:
    cache.clear()
    rental = Rental.make(tmp_path / "storage")
    rental.reach(daemon.address, token=daemon.token)
    return rental


def counts(daemon: Daemon) -> tuple[int, int] | None:
    with daemon.client("looking", fence=0) as client:
        game = client.describe().game
    return None if game is None else (game.starts, game.ends)


def tick() -> int:
    """Two hours later, the supervisor's tick, and a worker that answers it; return how many backups there are."""
    ago = timezone.now() - timedelta(hours=2)
    Trigger.objects.filter(enabled=True).update(next_look_at=ago)
    Trigger.objects.filter(fired_at__isnull=False).update(fired_at=ago)
    ChoreRun.objects.all().delete()
    for run in chores_request():
        if ChoreRun.objects.get(id=run).chore == "watch triggers":
            chore_answer(run)
    assert ChoreRun.objects.get(chore="watch triggers").error == ""
    return Backup.objects.filter(is_safety=False).count()


def turn_on(client: APIClient, rental: Rental, kind: str, **fields: int) -> None:
    url = f"/api/v1/orders/{rental.order.id}/provisions/{rental.server.id}/triggers/{kind}/"
    assert client.put(url, {"enabled": True, **fields}).status_code == 200


def made(rental: Rental) -> Backup:
    """Let a worker make the newest backup; return it."""
    rental.work()
    backup = Backup.objects.filter(is_safety=False).latest("created_at")
    assert backup.status == BackupStatus.READY
    return backup


def test_a_crash_is_backed_up_once_and_a_restore_is_no_crash(rental: Rental, daemon: Daemon, game: GameProcess) -> None:
    client = client_of(rental.owner)
    assert eventually(lambda: counts(daemon) == (0, 0))
    turn_on(client, rental, "crash")
    assert tick() == 0

    game.kill()
    assert eventually(lambda: counts(daemon) == (0, 1))
    assert tick() == 1
    backup = made(rental)
    assert backup.name.startswith("After a crash 2")
    assert backup.consistency == "stopped"

    daemon.kill()
    daemon.start()
    rental.reach(daemon.address, token=daemon.token)
    assert tick() == 1

    game.start()
    assert eventually(lambda: counts(daemon) == (1, 1))
    before = game.pid
    (daemon.world / "level.dat").write_bytes(b"ruined")
    rental.restore(backup)
    assert (daemon.world / "level.dat").read_bytes() == LEVEL
    assert game.pid != before
    assert tick() == 1

    game.kill()
    assert eventually(lambda: counts(daemon) == (1, 2))
    assert tick() == 2


def test_changes_beyond_the_limit_are_backed_up_once(rental: Rental, daemon: Daemon) -> None:
    rental.backup(name="By hand")
    turn_on(client_of(rental.owner), rental, "changed_bytes", limit_bytes=1 << 20)
    assert tick() == 1
    (daemon.world / "region.mca").write_bytes(bytes(2 << 20))
    assert tick() == 2
    assert made(rental).name.startswith("After many changes 2")
    assert tick() == 2
