"""Hooks and fixtures that every test shares."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.test import TransactionTestCase
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from whitenoise.middleware import WhiteNoiseMiddleware

from tests.emptying import database_empty
from tests.faults import faults_missed
from tests.volumes import ext4_mounted

MEMORY = Path("/dev/shm")  # noqa: S108 - only asked for; what is made in it has a name of its own
pytest_plugins = ["tests.world.fixtures"]
# A loaded machine draws slowly, which says nothing of the code.
hypothesis_settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("suite")
NEVER_SECONDS = 3600.0
WITH_PROCESSES = {"browser", "processes", "rehearsals"}
"""Folders whose tests start the product's own processes."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run tests of PostgreSQL's own locking only in the pass on PostgreSQL; on SQLite they prove nothing."""
    for item in items:
        if item.path.parent.name in WITH_PROCESSES:
            item.add_marker(pytest.mark.processes)
    if "postgresql" in str(settings.DATABASES["default"]["ENGINE"]):
        return
    elsewhere = [item for item in items if item.get_closest_marker("postgres")]
    config.hook.pytest_deselected(items=elsewhere)
    items[:] = [item for item in items if item not in elsewhere]


@pytest.fixture(scope="session", autouse=True)
def quick_emptying() -> Iterator[None]:
    """Empty the database after a test with real transactions without Django's long way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", database_empty)
        yield


@pytest.fixture(scope="session", autouse=True)
def static_files_found_once() -> Iterator[None]:
    """Look at the hundreds of static files once, and not again for each test client."""
    find, found = WhiteNoiseMiddleware.add_files_from_finders, dict[str, object]()

    def add(middleware: WhiteNoiseMiddleware) -> None:
        if not found:
            find(middleware)
            found.update(middleware.files)
        middleware.files.update(found)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", add)
        yield


@pytest.fixture(scope="session")
def in_memory() -> Iterator[Path]:
    """A folder in memory if the machine has /dev/shm, so that a busy disk does not slow the test down."""
    with tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as folder:
        Path(folder).chmod(0o711)  # another user has to reach what a test gives it
        yield Path(folder)


@pytest.fixture
def place(in_memory: Path) -> Iterator[Path]:
    """A folder to work in. A sweep syncs a thousand times: in memory that measures us and not a busy disk."""
    with tempfile.TemporaryDirectory(dir=in_memory) as folder:
        yield Path(folder)


@pytest.fixture
def own_volume(tmp_path: Path) -> Iterator[Path]:
    """The test's folder, on an ext4 of its own, which hands out inode numbers again and to this test alone."""
    with ext4_mounted(tmp_path, mebibytes=8192):
        yield tmp_path


@pytest.fixture(autouse=True)
def one_connection(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no lease beat in a test that is one transaction.

    The thread of a lease has a connection of its own, which does not see the operation, and would give it up as lost.
    """
    if "db" in request.fixturenames and "transactional_db" not in request.fixturenames:
        monkeypatch.setattr("operations.work.lease.BEAT_SECONDS", NEVER_SECONDS)


@pytest.fixture(autouse=True)
def every_fault_strikes() -> Iterator[None]:
    """Assert that each scripted fault has occurred by the end of the test."""
    faults_missed()
    yield
    missed = faults_missed()
    assert not missed, f"never struck: {', '.join(missed)}"
