"""Files that vanish while they are packed are not in the backup: a restore or an undo of it leaves none behind."""

# ruff: noqa: F811 - a fixture is found by its name

from __future__ import annotations

from pathlib import Path

import pytest

from backups.models import Backup, OperationRole
from tests.network import test_staying
from tests.network.test_staying import Place, place, told  # noqa: F401  # a fixture among them
from tests.sidecar_daemon.daemon import Daemon
from tests.sidecar_restore.trees import snapshot

pytestmark = [
    pytest.mark.processes,
    pytest.mark.django_db(transaction=True),
    pytest.mark.parametrize("place", ["root"], indirect=True),
]


class Vanishing(Daemon):
    """A daemon on a volume where files vanish while they are packed."""

    program = "tests.sidecar_daemon.vanishing"


@pytest.fixture(autouse=True)
def vanishing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_staying, "Daemon", Vanishing)


def vanish(place: Place, *names: str) -> None:
    """Let these files vanish when their turn comes, from now on."""
    (place.daemon.folder / "vanish").write_text("\n".join(Path(name).name for name in names))


NAMES = ["latest.log", "new/deep/session.log", "plugins/data.db-wal", "world/level.dat_old", "db/000006.log"]
UNITS = {
    "plugins/data.db": b"SQLite format 3\0", "world/level.dat": b"level",
    "db/CURRENT": b"MANIFEST-000004\n", "db/MANIFEST-000004": b"m",
}  # fmt: skip


@pytest.mark.parametrize("mode", ["replace", "overlay"])
def test_undo_leaves_nothing_that_vanished_under_the_safety_backup(place: Place, mode: str) -> None:
    """The restore created it: there was no file of that name before."""
    for name in (*NAMES, *UNITS):
        place.file(name, UNITS.get(name, b"as it was"))
    backup = place.backup()
    for name in NAMES:
        place.file(name, b"played on")
    place.file("level.dat", b"played on")
    vanish(place, *NAMES)
    restored = place.restore(backup, mode=mode)
    safety = Backup.objects.get(roles__operation=restored, roles__role=OperationRole.SAFETY)
    assert sorted(safety.warnings, key=lambda item: item["path"]) == [
        {"kind": "vanished", "path": name} for name in sorted(NAMES)
    ]
    assert all((place.world / name).read_bytes() == b"as it was" for name in NAMES)
    vanish(place)

    undone = place.undo(backup)

    assert told(undone) == {}
    assert not [name for name in NAMES if (place.world / name).exists()]
    assert (place.world / "level.dat").read_bytes() == b"played on"
    assert all((place.world / name).read_bytes() == data for name, data in UNITS.items())


def test_restore_of_a_backup_leaves_nothing_that_vanished_under_it(place: Place) -> None:
    for name in (*NAMES, *UNITS):
        place.file(name, UNITS.get(name, b"as it was"))
    vanish(place, *NAMES)
    backup = place.backup()
    assert len(backup.warnings) == len(NAMES)
    vanish(place)
    wanted = set(snapshot(place.world))
    for name in NAMES:
        place.file(name, b"made again")
    assert place.stays(backup) == []

    assert told(place.restore(backup)) == {}

    assert set(snapshot(place.world)) == wanted
