"""R34: buckets of every released version open, are browsed, verified, downloaded and restored by the product.

Of what a later release has written the product says so, and leaves it alone.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgpack
import pytest
from django.conf import settings
from django.core.management import call_command

from accounts.models import Customer
from accounts.services.customers import customer_update
from backups.models import Backup, BackupStatus, Depth, Finding
from backups.services.upkeep import repository_prune, repository_verify
from backups.services.verification import backup_verify
from common.keyring import Keyring
from demo.comparison import Tree, differences, live_read
from operations.models import Operation, OperationState
from orders.models import BackupFormat, Order, Plan
from provisions.models import Provision
from repository.chunked.objects import KEYS, SNAPSHOTS
from repository.sealing.frames import HEADER_SIZE
from tests.factories import ProvisionFactory, StorageTargetFactory, UserFactory
from tests.formats.golden_bucket import MASTER_KEY, STATES, world_first, world_second
from tests.upkeep.test_by_staff import command
from tests.world.clients import client_of
from tests.world.linked import Linked
from vault.models import Repository
from vault.services.repositories import repository_folder, repository_get, snapshot_of

pytestmark = pytest.mark.processes

GOLDEN = Path(__file__).parent / "golden"
VERSION_AT = 8
"""The version of a sealed object is the byte after its magic; a checksum ends the header."""
CHECKSUM_BYTES = 8


@pytest.fixture(params=sorted(path.name for path in GOLDEN.iterdir()))
def kept(request: pytest.FixtureRequest, linked: Linked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Linked:
    """A portal that knows nothing but a kept bucket and its master key, and a server to restore onto."""
    environment = type("Environment", (), {"master_keys": Keyring.parse(MASTER_KEY)})
    monkeypatch.setattr(settings, "ENVIRONMENT", environment)
    call_command("flush", interactive=False, verbosity=0)
    linked.root = tmp_path / "bucket"
    shutil.copytree(GOLDEN / request.param, linked.root)
    (linked.root / ".partial").mkdir()
    StorageTargetFactory(name="Kept", options={"root": str(linked.root)}, sealed=True, is_default=True)
    said, status = command("rebuild_index", "--target", "Kept")
    assert (status, "2 archives, 2 snapshots" in said) == (0, True), said
    staff = UserFactory(is_staff=True, is_superuser=True)
    customer_update(customer=Customer.objects.get(), name="Kept", owner=UserFactory(), actor=staff)
    linked.order, linked.server = Order.objects.get(), Provision.objects.get()
    linked.sidecar = ProvisionFactory(order=linked.order, sidecar=True)
    linked.reach(linked.proxy.address, token=linked.daemon.token)
    return linked


def trees(folder: Path) -> dict[str, Tree]:
    """The state of the server at each kept backup."""
    folder.mkdir()
    found = {}
    for state, make in zip(STATES, (world_first, world_second), strict=True):
        make(folder)
        found[state] = live_read(folder)
    return found


def verified(kept: Linked, backup: Backup) -> Operation:
    backup_verify(
        user=kept.owner, order_id=backup.order_id, provision_id=backup.provision_id, backup_id=backup.id,
        depth=Depth.DATA, idempotency=None,
    )  # fmt: skip
    return kept.work()


def test_every_backup_of_a_released_version_is_as_it_was_made(kept: Linked, tmp_path: Path) -> None:
    expected, client = trees(tmp_path / "expected"), client_of(kept.owner)
    for backup in Backup.objects.order_by("created_at"):
        state = backup.name.split()[1]
        assert verified(kept, backup).state == OperationState.SUCCEEDED
        backup.refresh_from_db()
        assert backup.proof["ok"]
        names = {row["path"] for row in client.get(kept.backup_url(backup, "files/")).json()["results"]}
        assert {"level.dat", "region", "plugins"} <= names
        file = client.get(kept.backup_url(backup, "files/content/"), {"path": "plugins/config.yml"})
        assert b"".join(file.streaming_content) == b"motd: hello\n"
        with closing(client.get(f"/api/v1/assets/{backup.asset_id}/")) as download:
            assert download.status_code == 200
            assert len(b"".join(download.streaming_content)) > 1000
        kept.restore(backup)
        assert differences(expected[state], live_read(kept.daemon.world)) == [], backup.name


def test_backups_and_prunes_continue_a_released_repository(kept: Linked, tmp_path: Path) -> None:
    expected = trees(tmp_path / "expected")
    Plan.objects.update(backup_format=BackupFormat.REPOSITORY)
    old = Backup.objects.get(name="repository before")
    kept.restore(old)
    new = kept.backup()
    assert new.added_bytes < 20_000
    repository_prune(repository=Repository.objects.get(), user=None)
    assert kept.work().state == OperationState.SUCCEEDED
    for backup in (old, new):
        (kept.daemon.world / "level.dat").write_bytes(b"lost")
        kept.restore(backup)
        assert differences(expected["before"], live_read(kept.daemon.world)) == []


def later_seal(path: Path) -> None:
    """Write the version of a later release into the header of a sealed object, with the right checksum."""
    stored = bytearray(path.read_bytes())
    stored[VERSION_AT] = 2
    checked = HEADER_SIZE - CHECKSUM_BYTES
    stored[checked:HEADER_SIZE] = hashlib.sha256(stored[:checked]).digest()[:CHECKSUM_BYTES]
    path.write_bytes(stored)


def later_archive(kept: Linked) -> Backup:
    backup = Backup.objects.get(name="archive after")
    later_seal(kept.root / backup.asset.key)
    return backup


def later_snapshot(kept: Linked) -> Backup:
    """A snapshot that a later release has added to a repository that this one opens."""
    backup = Backup.objects.get(name="repository after")
    opened, snapshot = repository_get(backup.asset.repository), snapshot_of(backup.asset)
    found = msgpack.unpackb(opened.objects.get(SNAPSHOTS, snapshot), raw=False)
    sealed = opened.objects.seal(SNAPSHOTS, snapshot, msgpack.packb({**found, "version": 2}))
    (kept.root / backup.asset.key).write_bytes(sealed)
    return backup


def later_repository(kept: Linked) -> Backup:
    """A repository whose keys a later release has written."""
    backup = Backup.objects.get(name="repository after")
    row = backup.asset.repository
    [path] = (kept.root / repository_folder(row) / KEYS.name).iterdir()
    later_seal(path)
    return backup


LATERS: dict[str, Callable[[Linked], Backup]] = {
    "archive": later_archive, "snapshot": later_snapshot, "repository": later_repository,
}  # fmt: skip


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("what", LATERS)
def test_a_backup_of_a_later_release_is_left_alone_with_that_reason(kept: Linked, what: str) -> None:
    backup = LATERS[what](kept)
    before, live = contents(kept.root), live_read(kept.daemon.world)
    kept.restore_ask(backup, safety=False)
    ended = [kept.work(), verified(kept, backup)]
    assert [(operation.state, operation.error_code) for operation in ended] == [
        (OperationState.FAILED, "repository_unknown")
    ] * 2
    client = client_of(kept.owner)
    with closing(client.get(f"/api/v1/assets/{backup.asset_id}/")) as download:
        assert (download.status_code, download.json()["code"]) == (409, "repository_unknown")
    told = client.get(kept.backup_url(backup)).json()
    assert (told["status"], told["degraded"], told["caution"]) == ("ready", False, None)
    assert "by a later release" in told["operation"]["error"]["detail"]
    assert contents(kept.root) == before
    assert differences(live, live_read(kept.daemon.world)) == []


@pytest.mark.parametrize("what", ["snapshot", "repository"])
def test_upkeep_leaves_a_repository_of_a_later_release_alone(kept: Linked, what: str) -> None:
    backup = LATERS[what](kept)
    row, before = Repository.objects.get(), contents(kept.root)
    repository_prune(repository=row, user=None)
    pruned = kept.work()
    assert pruned.state == OperationState.FAILED
    assert pruned.error_code == ("repository_unknown" if what == "repository" else "prune_refused")
    repository_verify(repository=row, user=None, depth=Depth.DATA)
    assert kept.work().state == (OperationState.FAILED if what == "repository" else OperationState.SUCCEEDED)
    assert not Backup.objects.filter(degraded=True).exists()
    assert not Finding.objects.exists()
    assert contents(kept.root) == before
    assert Backup.objects.get(id=backup.id).status == BackupStatus.READY


def test_no_backup_is_added_to_a_repository_of_a_later_release(kept: Linked) -> None:
    later_repository(kept)
    before = contents(kept.root)
    Plan.objects.update(backup_format=BackupFormat.REPOSITORY)
    failed = kept.created()
    assert (failed.status, failed.operation.error_code) == (BackupStatus.FAILED, "repository_unknown")
    assert contents(kept.root) == before
