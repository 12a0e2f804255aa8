"""Customers with a server, for tests of every folder."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from django.core.cache import cache

from backups.services import downloads, sidecars
from backups.work import exchange_outcome
from common.api.throttling import WindowThrottle
from operations.work import lease
from orders.models import BackupFormat
from sidecar_client import client as sidecar_client
from sidecar_client.client import Timeouts
from tests.sidecar_daemon.daemon import Daemon
from tests.world.linked import Linked, linked_rental
from tests.world.reconciled import World
from tests.world.rental import Rental
from tests.world.snapshots import Snapshots
from tests.world.stocked import Stocked

WINDOWS = count(2_000_000_000.0, 2 * 24 * 3600)
"""For each test a time that no other test has."""
PATIENCE_SECONDS = 0.6
"""The product's own waits of five to sixty seconds, for these tests."""


@pytest.fixture(autouse=True)
def one_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Throttles count in one window, however late in a minute the test begins, and each test anew."""
    now = next(WINDOWS)
    monkeypatch.setattr(WindowThrottle, "timer", staticmethod(lambda: now))


@pytest.fixture(autouse=True)
def free_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has all slots for downloads: another one may have asked for an answer that it did not read."""
    monkeypatch.setattr(downloads, "_slots", downloads.DownloadSlots())


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A storage is asked again as often as ever, only sooner."""
    monkeypatch.setattr("repository.retrying.PAUSE_SECONDS", 0.001)


@pytest.fixture
def rental(db: None, tmp_path: Path, short_pauses: None) -> Rental:
    """A sidecar that nobody reaches, and a target in a real folder."""
    return Rental.make(tmp_path / "storage")


@pytest.fixture
def real_rental(transactional_db: None, tmp_path: Path, short_pauses: None) -> Rental:
    """The same, committed, so that other threads see it."""
    return Rental.make(tmp_path / "storage")


@pytest.fixture
def snapshots(transactional_db: None, tmp_path: Path, short_pauses: None) -> Snapshots:
    """A folder of three files, and a repository for its snapshots."""
    cache.clear()
    made = Snapshots.make(tmp_path / "storage")
    made.write(a=300_000, b=200_000, c=b"small")
    return made


@pytest.fixture(scope="session")
def shared_sidecar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon whose world no test changes."""
    daemon = Daemon(tmp_path_factory.mktemp("sidecar"))
    daemon.world.mkdir()
    (daemon.world / "level.dat").write_bytes(b"level" * 1000)
    daemon.start()
    yield daemon
    daemon.close()


@pytest.fixture
def reconciled(transactional_db: None, tmp_path: Path, shared_sidecar: Daemon, short_pauses: None) -> World:
    """Backups through a real sidecar, and a look at it all."""
    made = World.make(tmp_path / "storage")
    made.reach(shared_sidecar.address, token=shared_sidecar.token)
    cache.clear()
    return made


@pytest.fixture(params=list(BackupFormat), ids=str)
def stocked(request: pytest.FixtureRequest, db: None, tmp_path: Path, short_pauses: None) -> Stocked:
    """A server with files of every kind, of which no backup was made yet; in either format."""
    made = Stocked.make(tmp_path / "storage", files=tmp_path / "files", format=request.param)
    made.stock()
    return made


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A heartbeat that is often, and no patience with a journal or a connection."""
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(exchange_outcome, "JOURNAL_WAIT_SECONDS", PATIENCE_SECONDS)
    monkeypatch.setattr(sidecars, "REACH_SECONDS", PATIENCE_SECONDS)


@pytest.fixture
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """No patience with the sidecar's answers either."""
    waits = partial(Timeouts, describe=PATIENCE_SECONDS, reply=PATIENCE_SECONDS, stall=PATIENCE_SECONDS)
    monkeypatch.setattr(sidecar_client, "Timeouts", waits)


@pytest.fixture
def linked(transactional_db: None, tmp_path: Path, short_waits: None) -> Iterator[Linked]:
    """A real daemon behind a proxy that can fail."""
    with linked_rental(tmp_path) as found:
        yield found
