"""A path that the safety backup could not read stays, even if it is readable when names are exchanged."""

# ruff: noqa: F811 - a fixture is found by its name

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import backups.work.restore as work
from backups.models import Backup
from operations.models import Operation, OperationState
from orders.models import BackupFormat
from sidecar_client.client import SidecarClient
from tests.faults import fault_script
from tests.network.test_staying import Place, place, told  # noqa: F401  # a fixture among them

pytestmark = [
    pytest.mark.processes,
    pytest.mark.django_db(transaction=True),
    pytest.mark.parametrize("format_", [BackupFormat.ARCHIVE, BackupFormat.REPOSITORY]),
]


@pytest.fixture(autouse=True)
def _format(place: Place, format_: BackupFormat) -> None:
    place.order.plan.backup_format = format_
    place.order.plan.save()


def after_safety(monkeypatch: pytest.MonkeyPatch, deed: Callable[[], object]) -> None:
    """Do something between the safety backup and the exchange."""
    made, fault = work.safety_make, fault_script("a deed after the safety backup")

    def safety(**options: Any) -> None:
        made(**options)
        fault.strike()
        deed()

    monkeypatch.setattr(work, "safety_make", safety)


def opened(place: Place, name: str) -> tuple[Path, Callable[[], None]]:
    """A file of somebody else, alone or in a closed folder, and a function that opens it for everybody."""
    if name == "closed/file":
        path = place.file(name, b"precious", owner=0)
        closed = path.parent
        os.chown(closed, 0, 0)
        closed.chmod(0o700)
        return path, lambda: closed.chmod(0o777)
    path = place.file(name, b"precious", owner=0, mode=0o600)
    return path, lambda: path.chmod(0o644)


@pytest.mark.parametrize(
    ("name", "mode", "wanted"),
    [
        ("extra", "replace", {"extra": "unreadable"}),
        ("new/deep/extra", "replace", {"new": "holds", "new/deep": "holds", "new/deep/extra": "unreadable"}),
        ("closed/file", "replace", {"closed": "unreadable"}),
        ("plugins/readable", "replace", {"plugins/readable": "unreadable"}),
        ("plugins/readable", "overlay", {"plugins/readable": "unreadable"}),
        ("players.db-wal", "overlay", {"players.db-wal": "unreadable", "players.db": "companion"}),
    ],
)
def test_path_that_the_safety_backup_lacks_stays(
    place: Place, monkeypatch: pytest.MonkeyPatch, name: str, mode: str, wanted: dict[str, str]
) -> None:
    place.file("players.db", b"SQLite format 3\0 as it was")
    backup = place.backup()
    place.file("players.db", b"SQLite format 3\0 played on")
    place.file("level.dat", b"ruined")
    path, open_it = opened(place, name)
    with monkeypatch.context() as patch:
        after_safety(patch, open_it)
        operation = place.restore(backup, mode=mode)

    assert told(operation) == wanted
    assert path.read_bytes() == b"precious"
    assert (place.world / "level.dat").read_bytes() == b"as it was"
    assert list((place.daemon.scratch / "files").iterdir()) == []
    place.undo(backup)
    assert path.read_bytes() == b"precious"
    assert (place.world / "level.dat").read_bytes() == b"ruined"


def test_restore_ends_with_nothing_touched_when_the_list_is_lost(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    backup = place.backup()
    place.file("level.dat", b"played on")

    def lose() -> None:
        for path in (place.daemon.scratch / "files").iterdir():
            if path.name.endswith(".safety"):
                path.unlink()

    after_safety(monkeypatch, lose)
    operation = restored(place, backup)

    assert (operation.state, operation.error_code) == (OperationState.FAILED, "source_failed")
    assert (place.world / "level.dat").read_bytes() == b"played on"


def test_restore_without_a_safety_backup_needs_no_list(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    backup = place.backup()
    extra = place.file("extra")
    written: list[str] = []
    write = SidecarClient.file_write

    def noted(client: SidecarClient, **options: Any) -> None:
        written.append(options["path"])
        write(client, **options)

    monkeypatch.setattr(SidecarClient, "file_write", noted)
    assert told(place.restore(backup, safety=False)) == {}
    assert not extra.exists()
    assert not [path for path in written if path.endswith(".safety")]


def restored(place: Place, backup: Backup) -> Operation:
    place.restore_ask(backup)
    return place.work()
