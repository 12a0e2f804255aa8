"""R14 and R15: stored bytes that are tampered with, replayed or of another tenant, and keys that are not there.

All are refused and audited, and nothing is written: not to the server, and nothing but notes of damage to the storage.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from accounts.models import AuditEvent
from backups.formats.download import DownloadChoice
from backups.formats.registry import format_of
from backups.models import Backup, BackupStatus, Depth
from backups.services.backups import backup_delete
from backups.services.upkeep import repository_prune, repository_verify
from backups.services.verification import backup_verify
from common.errors import KeyUnavailable
from demo.comparison import differences, live_read
from operations.models import OperationState
from orders.models import BackupFormat
from repository.archive.object_keys import MANIFEST_SUFFIX
from tests.factories import OrderFactory, ProvisionFactory
from tests.operations.test_keys import SECOND, keks  # noqa: F401  # a fixture
from tests.upkeep.test_by_staff import command
from tests.upkeep.test_rebuild import database_lose
from tests.world.clients import client_of
from tests.world.linked import Linked
from tests.world.snapshots import flip
from vault.models import Asset, DataKey, Repository

pytestmark = pytest.mark.processes

DAMAGE_NOTES = "/damaged/"


class Stored:
    """Two backups of a server, and one of another customer's with the same content."""

    def __init__(self, rented: Linked) -> None:
        self.rented = rented
        self.older, self.newer = rented.backup(), rented.backup()
        self.others = neighbour(rented).backup()
        (rented.daemon.world / "level.dat").write_bytes(b"live")

    def path(self, backup: Backup) -> Path:
        return self.rented.root / backup.asset.key

    def contents(self) -> dict[str, bytes]:
        found = (path for path in self.rented.root.rglob("*") if path.is_file() and DAMAGE_NOTES not in str(path))
        return {str(path.relative_to(self.rented.root)): path.read_bytes() for path in found}


def neighbour(rented: Linked) -> Linked:
    """Another customer with a server of the same plan, whose backups are on the same target."""
    order = OrderFactory(name="Other", plan=rented.order.plan)
    server, sidecar = ProvisionFactory(order=order), ProvisionFactory(order=order, sidecar=True)
    other = Linked(order, server, sidecar, rented.target, rented.root, daemon=rented.daemon, proxy=rented.proxy)
    other.reach(rented.proxy.address, token=rented.daemon.token)
    return other


@pytest.fixture
def stored(rented: Linked) -> Stored:
    return Stored(rented)


TROUBLES: dict[str, Callable[[Stored], object]] = {
    "tampered": lambda stored: flip(stored.path(stored.newer)),
    "replayed": lambda stored: shutil.copy(stored.path(stored.older), stored.path(stored.newer)),
    "of another tenant": lambda stored: shutil.copy(stored.path(stored.others), stored.path(stored.newer)),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_what_is_not_the_backups_own_is_refused_audited_and_writes_nothing(stored: Stored, trouble: str) -> None:
    TROUBLES[trouble](stored)
    # Of an archive, another tenant's looks like one that was sealed with a key which is not there.
    elsewhere = trouble == "of another tenant" and stored.newer.format == BackupFormat.ARCHIVE
    code = "key_unavailable" if elsewhere else "archive_damaged"
    rented, before, live = stored.rented, stored.contents(), live_read(stored.rented.daemon.world)
    client = client_of(rented.owner)
    with closing(client.get(f"/api/v1/assets/{stored.newer.asset_id}/")) as download:
        if download.status_code == 200:
            with pytest.raises(Exception, match="damaged"):
                list(download.streaming_content)
        else:
            assert (download.status_code, download.json()["code"]) == (409, code)
    is_damage = code == "archive_damaged"
    assert AuditEvent.objects.filter(action="backup.degrade", object_id=stored.newer.id).count() == is_damage
    rented.restore_ask(stored.newer)
    operation = rented.work()
    assert (operation.state, operation.error_code) == (OperationState.FAILED, code)
    assert AuditEvent.objects.get(action="restore.failed", object_id=operation.id).data["code"] == code
    assert differences(live, live_read(rented.daemon.world)) == []
    assert stored.contents() == before
    assert rented.daemon.left_in_scratch() == []
    assert client.get(rented.backup_url(stored.newer)).json()["degraded"] == is_damage
    # The others are as good as before.
    rented.restore(stored.older)
    assert len(rented.level()) == 3 << 20


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_rebuild_names_what_is_not_the_backups_own(stored: Stored, trouble: str) -> None:
    rented, suffix = stored.rented, MANIFEST_SUFFIX if stored.newer.format == BackupFormat.ARCHIVE else ""
    stored.path = lambda backup: rented.root / (backup.asset.key + suffix)  # type: ignore[method-assign]  # what names it
    TROUBLES[trouble](stored)
    before = stored.contents()
    database_lose(rented)
    said, status = command("rebuild_index", "--target", "New")
    assert (status, f"not brought back: {stored.newer.asset.key}" in said) == (1, True)
    assert set(Backup.objects.values_list("id", flat=True)) == {stored.older.id, stored.others.id}
    assert AuditEvent.objects.get(action="index.rebuild").data["unread"] == 1
    assert stored.contents() == before


@pytest.mark.parametrize("key", ["of another master key", "missing"])
def test_a_key_that_is_not_there_is_never_called_damage(keks, rented: Linked, key: str) -> None:  # noqa: F811  # a fixture
    backup = rented.backup()
    before = {path: path.read_bytes() for path in rented.root.rglob("*") if path.is_file()}
    if key == "missing":
        DataKey.objects.all().delete()
        [copy] = (rented.root / "keys").rglob("*.json")
        other = json.loads(copy.read_text()) | {"data_key": "AAAA"}
        before[copy] = json.dumps(other).encode()
        copy.write_bytes(before[copy])
    else:
        keks.use(SECOND)
    asked: list[Callable[[], object]] = [
        lambda: rented.restore_ask(backup, safety=False),
        lambda: backup_verify(
            user=rented.owner, order_id=backup.order_id, provision_id=backup.provision_id, backup_id=backup.id,
            depth=Depth.DATA, idempotency=None,
        ),
        rented.create,
    ]  # fmt: skip
    for row in Repository.objects.all():
        asked += [
            partial(repository_verify, repository=row, user=None, depth=Depth.DATA),
            partial(repository_prune, repository=row, user=None),
        ]
    assert {said_of(rented, ask) for ask in asked} == {"key_unavailable"}
    content = format_of(backup).download(Asset.objects.get(id=backup.asset_id), DownloadChoice())
    with pytest.raises(KeyUnavailable):
        list(content.read(0, None))
    backup.refresh_from_db()
    assert (backup.status, backup.degraded) == (BackupStatus.READY, False)
    assert {path: path.read_bytes() for path in rented.root.rglob("*") if path.is_file()} == before


def said_of(rented: Linked, ask: Callable[[], object]) -> str:
    """The code with which a request is refused, or with which its operation fails."""
    try:
        ask()
    except KeyUnavailable as refusal:
        return refusal.code
    operation = rented.work()
    assert operation.state == OperationState.FAILED
    return operation.error_code


def test_a_snapshot_is_deleted_only_with_its_key(keks, rented: Linked) -> None:  # noqa: F811  # a fixture
    """An archive needs none; a tombstone that nobody can read would bring the snapshot back."""
    backup = rented.backup()
    path = rented.root / backup.asset.key
    keks.use(SECOND)
    backup_delete(user=rented.owner, backup=backup)
    waits = rented.work().state == OperationState.QUEUED
    assert waits == (backup.format == BackupFormat.REPOSITORY)
    assert path.exists() == waits
