"""Files that no backup can bring back stay through every restore: real daemon, real worker, pages and API."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from backups.models import Backup, BackupStatus
from backups.services.previews import backup_preview
from operations.models import Operation, OperationState
from sidecar_client.client import SidecarClient
from tests.faults import fault_script
from tests.services.require import unavailable
from tests.sidecar_daemon.daemon import Daemon
from tests.sidecar_daemon.unprivileged import NOBODY
from tests.world.rental import Rental
from vault.models import StorageTarget
from wire.enums import ChangeKind

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]


class Unprivileged(Daemon):
    """A daemon of an ordinary user; the tests run as root, so that they can make files of other users."""

    program = "tests.sidecar_daemon.unprivileged"

    def write_config(self, **changes: object) -> Path:
        config = super().write_config(**changes)
        self.scratch.mkdir(exist_ok=True)
        for path in (self.folder, self.world, self.scratch, config, self.folder / "token"):
            os.chown(path, NOBODY, NOBODY)
        return config


@dataclass
class Place(Rental):
    """A rental with its daemon, and a worker that answers at once."""

    daemon: Daemon

    @property
    def world(self) -> Path:
        return self.daemon.world

    def file(self, name: str, content: bytes = b"content", *, owner: int = NOBODY, mode: int = 0o644) -> Path:
        path = self.world / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(mode)
        for made in (path, *path.parents):
            if made == self.world:
                break
            os.chown(made, owner if made == path else NOBODY, -1)
        return path

    def stays(self, backup: Backup, mode: str = "replace") -> list[str]:
        """The paths that stay according to the preview."""
        found, named = backup_preview(user=self.owner, backup=backup, server=self.server, mode=mode)
        assert named
        paths = [os.fsdecode(change.path) for change in found.changes if change.kind is ChangeKind.STAYS]
        assert found.stays == len(paths)
        return paths


def told(operation: Operation) -> dict[str, str]:
    """The paths that an operation left as they were, with the reasons."""
    assert operation.warnings_total == len(operation.warnings)
    return {item["path"]: item["kind"] for item in operation.warnings}


def trace(path: Path) -> tuple[int, int, int]:
    status = path.lstat()
    return status.st_ino, status.st_mode, status.st_uid


@pytest.fixture
def place(request: pytest.FixtureRequest, transactional_db: None, tmp_path: Path, short_waits: None) -> Iterator[Place]:
    if os.geteuid() != 0:
        unavailable("the right to make files of other users")
    folder = Path(tempfile.mkdtemp(prefix="savepoint-"))
    daemon = (Daemon if getattr(request, "param", "nobody") == "root" else Unprivileged)(folder)
    daemon.start()
    try:
        found = Place.make(tmp_path / "storage", daemon=daemon)
        found.reach(daemon.address, token=daemon.token)
        found.file("level.dat", b"as it was")
        found.file("plugins/readable", b"as it was")
        yield found
    finally:
        daemon.close()
        shutil.rmtree(folder)


def fifo(path: Path) -> None:
    os.mkfifo(path)


def bound_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def device(path: Path) -> None:
    os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 3))


BOTH_USERS = pytest.mark.parametrize("place", ["root", "nobody"], indirect=True)
SPECIAL = pytest.mark.parametrize("make", [fifo, bound_socket, device])


@BOTH_USERS
@SPECIAL
@pytest.mark.parametrize("folder", ["", "plugins/", "plugins/new/deep/"])
def test_special_file_stays_and_is_named(place: Place, make: Callable[[Path], None], folder: str) -> None:
    path = place.world / folder / "special"
    path.parent.mkdir(parents=True, exist_ok=True)
    make(path)
    backup = place.backup()
    before = trace(path)
    place.file("level.dat", b"ruined")
    place.file("plugins/new/deep/extra")
    assert place.stays(backup) == [f"{folder}special"]

    operation = place.restore(backup)

    assert trace(path) == before
    assert told(operation) == {f"{folder}special": "left_out"}
    assert (place.world / "level.dat").read_bytes() == b"as it was"
    assert not (place.world / "plugins/new/deep/extra").exists()


@BOTH_USERS
@SPECIAL
@pytest.mark.parametrize("mode", ["replace", "overlay"])
def test_special_file_in_the_place_of_a_backed_up_one_stays(
    place: Place, make: Callable[[Path], None], mode: str
) -> None:
    backup = place.backup()
    (place.world / "plugins/readable").unlink()
    make(place.world / "plugins/readable")
    before = trace(place.world / "plugins/readable")
    assert place.stays(backup, mode) == ["plugins/readable"]

    operation = place.restore(backup, mode=mode)

    assert trace(place.world / "plugins/readable") == before
    assert told(operation) == {"plugins/readable": "skipped"}


def test_unreadable_file_survives_restore_and_undo(place: Place) -> None:
    secret = place.file("plugins/secret", b"of somebody else", owner=0, mode=0o600)
    before = trace(secret)
    backup = place.backup()
    assert backup.warnings == [{"kind": "unreadable", "path": "plugins/secret"}]
    assert place.stays(backup) == ["plugins/secret"]

    assert told(place.restore(backup)) == {"plugins/secret": "left_out"}
    place.file("level.dat", b"played on")
    assert told(place.undo(backup)) == {"plugins/secret": "left_out"}

    assert trace(secret) == before
    assert secret.read_bytes() == b"of somebody else"


def test_file_that_became_readable_after_the_backup_stays(place: Place) -> None:
    """Only the backup's listing still shows that the file existed then."""
    secret = place.file("secret", b"of somebody else", owner=0, mode=0o600)
    backup = place.backup()
    secret.chmod(0o644)

    assert place.stays(backup) == ["secret"]
    assert told(place.restore(backup)) == {"secret": "left_out"}
    assert secret.read_bytes() == b"of somebody else"


def test_live_tree_decides_where_a_backup_has_no_listing(place: Place) -> None:
    backup = place.backup()
    Backup.objects.filter(id=backup.id).update(listing_bytes=None)
    secret = place.file("secret", b"of somebody else", owner=0, mode=0o600)
    extra = place.file("extra")

    assert told(place.restore(backup, safety=False)) == {"secret": "unreadable"}
    assert secret.read_bytes() == b"of somebody else"
    assert not extra.exists()


@pytest.mark.parametrize("mode", ["replace", "overlay"])
def test_backed_up_file_that_became_unreadable_stays(place: Place, mode: str) -> None:
    backup = place.backup()
    mine = place.file("plugins/readable", b"changed by somebody else", owner=0, mode=0o600)
    before = trace(mine)

    assert place.stays(backup, mode) == ["plugins/readable"]
    assert told(place.restore(backup, mode=mode)) == {"plugins/readable": "unreadable"}
    assert trace(mine) == before
    assert mine.read_bytes() == b"changed by somebody else"


@pytest.mark.parametrize("mode", ["replace", "overlay"])
def test_unreadable_folder_stays_and_its_siblings_are_restored(place: Place, mode: str) -> None:
    place.file("plugins/closed/file", b"as it was")
    backup = place.backup()
    closed = place.world / "plugins/closed"
    (closed / "file").write_bytes(b"changed")
    os.chown(closed, 0, 0)
    closed.chmod(0o700)
    place.file("plugins/readable", b"ruined")

    assert place.stays(backup, mode) == ["plugins/closed"]
    assert told(place.restore(backup, mode=mode)) == {"plugins/closed": "unreadable"}
    assert (closed / "file").read_bytes() == b"changed"
    assert trace(closed)[1:] == (stat.S_IFDIR | 0o700, 0)
    assert (place.world / "plugins/readable").read_bytes() == b"as it was"


def test_new_folder_keeps_only_unrestorable_entries(place: Place) -> None:
    backup = place.backup()
    place.file("new/deep/secret", b"of somebody else", owner=0, mode=0o600)
    place.file("new/deep/extra")
    place.file("new/other/extra")
    os.mkfifo(place.world / "new/pipe")

    assert place.stays(backup) == ["new", "new/deep", "new/deep/secret", "new/pipe"]
    operation = place.restore(backup)

    assert told(operation) == {
        "new": "holds", "new/deep": "holds", "new/deep/secret": "unreadable", "new/pipe": "skipped",
    }  # fmt: skip
    left = sorted(str(path.relative_to(place.world)) for path in (place.world / "new").rglob("*"))
    assert left == ["new/deep", "new/deep/secret", "new/pipe"]


def test_file_does_not_replace_a_folder_that_holds_an_unreadable_one(place: Place) -> None:
    place.file("thing")
    backup = place.backup()
    (place.world / "thing").unlink()
    secret = place.file("thing/secret", b"of somebody else", owner=0, mode=0o600)
    place.file("thing/extra")

    assert place.stays(backup) == ["thing"]
    assert told(place.restore(backup)) == {"thing": "holds", "thing/secret": "unreadable"}
    assert secret.read_bytes() == b"of somebody else"
    assert (place.world / "thing/extra").exists()


def test_reserved_folder_stays(place: Place) -> None:
    backup = place.backup()
    place.file(".savepoint/notes")

    assert place.stays(backup) == []
    assert (place.world / ".savepoint/notes").exists()


def test_api_and_page_name_kept_paths(place: Place, client: Client) -> None:
    place.file("plugins/<secret>", owner=0, mode=0o600)
    backup = place.backup()
    owner, order = place.owner, place.order
    client.force_login(owner)
    api = APIClient()
    api.force_authenticate(owner)
    address = f"/api/v1/orders/{order.id}/provisions/{place.server.id}/backups/{backup.id}/restore/preview/"
    found = api.get(address).json()
    assert found["stays"] == 1
    assert found["paths"] == [{"path": "plugins/<secret>", "change": "stays", "size_bytes": 0}]
    page = client.get(f"/orders/{order.id}/backups/{backup.id}/restore/preview/?mode=replace").content.decode()
    assert "plugins/&lt;secret&gt;" in page
    assert "stay as they are" in page

    operation = place.restore(backup)

    shown = api.get(f"/api/v1/operations/{operation.id}/").json()
    assert shown["warnings"] == 1
    assert shown["stays"] == [{"path": "plugins/<secret>", "reason": "left_out"}]
    page = client.get(f"/orders/{order.id}/backups/{backup.id}/").content.decode()
    assert "it could not be restored" in page
    assert page.count("plugins/&lt;secret&gt;") == 2


@pytest.mark.parametrize("sealed", [True, False], ids=["sealed", "plain"])
@pytest.mark.parametrize("loss", ["cut", "longer", "gone"])
def test_listing_that_is_lost_costs_no_restore(place: Place, loss: str, *, sealed: bool) -> None:
    StorageTarget.objects.update(sealed=sealed)
    backup = place.backup()
    listing = Path(place.root, f"{backup.asset.key}.listing")
    content = listing.read_bytes()
    listing.unlink()
    if loss != "gone":
        listing.write_bytes(content[:-1] if loss == "cut" else content + b"x")
    os.mkfifo(place.world / "pipe")
    place.file("extra")

    assert told(place.restore(backup, safety=False)) == {"pipe": "skipped"}
    assert not (place.world / "extra").exists()


@pytest.mark.parametrize("loss", ["restart", "swept"])
def test_backup_whose_listing_the_sidecar_lost_is_not_listed(
    place: Place, loss: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a listing it would not know what it left out, and a restore could remove that."""
    fault, read = fault_script("a listing is lost before it is read"), SidecarClient.file_read

    def lost(client: SidecarClient, **options: Any) -> Iterator[bytes]:
        fault.strike()
        if loss == "restart":
            place.daemon.kill()
            place.daemon.start()
        else:
            (place.daemon.scratch / "files" / options["path"].rpartition("/")[2]).unlink()
        yield from read(client, **options)

    with monkeypatch.context() as patched:
        patched.setattr(SidecarClient, "file_read", lost)
        backup = place.create()
        operation = place.work()
    assert (operation.state, operation.error_code) == (OperationState.FAILED, "sidecar_unavailable")
    backup.refresh_from_db()
    assert backup.status == BackupStatus.FAILED
    if loss == "restart":
        place.reach(place.daemon.address, token=place.daemon.token)
    assert place.backup().listing_bytes
