"""A lost database is rebuilt out of the storage and the master keys, and every backup restores."""

from __future__ import annotations

import os
from random import Random
from uuid import UUID, uuid4

import pytest
from django.core.management import call_command

from accounts.models import Customer
from accounts.services.customers import customer_key, customer_update
from backups.models import Backup, BackupStatus
from backups.rebuild import bucket
from backups.services.backups import backup_delete
from demo.comparison import differences, live_read
from orders.models import BackupFormat, Order, Plan
from provisions.models import Provision
from repository.archive.object_keys import FORMATS
from repository.chunked.snapshots.create import snapshot_create
from tests.factories import ProvisionFactory, StorageTargetFactory, UserFactory
from tests.operations.test_keys import SECOND, keks  # noqa: F401  # a fixture
from tests.upkeep.test_by_staff import command
from tests.world.snapshots import flip
from trees.local.tree import LocalTree
from vault.models import Asset, Repository, StorageTarget, StoredObject
from vault.services.repositories import repository_folder, repository_make


def rebuilt(*arguments, target="New"):
    return command("rebuild_index", "--target", target, *arguments)


def database_lose(rental):
    """An empty database, and the storage under a new target."""
    call_command("flush", interactive=False, verbosity=0)
    assert not Backup.objects.exists()
    return StorageTargetFactory(name="New", options={"root": str(rental.root)}, sealed=True, is_default=True)


def change(world, seed):
    random = Random(seed)  # noqa: S311
    (world / "plugins").mkdir(exist_ok=True)
    for number in range(20):
        (world / f"plugins/{number}.yml").write_bytes(random.randbytes(random.randrange(9000)))
    (world / os.fsdecode(b"odd \xff")).write_bytes(random.randbytes(100))
    with (world / "level.dat").open("r+b") as file:
        file.write(random.randbytes(1000))


def test_both_formats_come_back_and_restore_byte_for_byte(linked):
    """The rehearsal: back up through the product, lose the database, rebuild, restore through the sidecar, compare."""
    states = {}
    for seed, name in enumerate(BackupFormat.values * 2):
        Plan.objects.update(backup_format=name)
        StorageTarget.objects.update(archive_format=FORMATS[seed // 2])
        change(linked.daemon.world, seed)
        backup = linked.created()
        assert backup.status == BackupStatus.READY, backup.operation.error_code
        states[backup.id] = (live_read(linked.daemon.world), backup.format)
    deleted = linked.created()
    linked.delete(deleted)
    shown = {row["id"]: row for row in Backup.objects.values(*KEPT)}
    order, server, customer = linked.order, linked.server, linked.order.customer
    key, former = customer_key(customer), linked.target.id
    [repository] = Repository.objects.all()

    database_lose(linked)
    said, status = rebuilt()
    assert status == 0, said
    assert "1 tenants, 1 orders, 1 provisions, 1 repositories, 2 archives, 2 snapshots, 0 known, 0 deleted" in said

    assert StorageTarget.objects.get().id == former
    assert customer_key(Customer.objects.get(id=customer.id)) == key
    assert not Customer.objects.get().owner.is_active
    assert Repository.objects.get().id == repository.id
    assert {row["id"]: row for row in Backup.objects.values(*KEPT)} == shown
    assert (Customer.objects.get().name, Order.objects.get().name, Provision.objects.get().name) == (
        customer.name, order.name, server.name,
    )  # fmt: skip
    again, status = rebuilt()
    assert (status, "0 archives, 0 snapshots, 4 known" in again) == (0, True)

    staff = UserFactory(is_staff=True, is_superuser=True)
    customer_update(customer=Customer.objects.get(), name=customer.name, owner=UserFactory(), actor=staff)
    linked.order = Order.objects.get()
    linked.server, linked.target = Provision.objects.get(), StorageTarget.objects.get()
    assert linked.server.is_primary
    linked.sidecar = ProvisionFactory(order=linked.order, sidecar=True)
    linked.reach(linked.proxy.address, token=linked.daemon.token)
    for backup_id, (state, name) in states.items():
        backup = Backup.objects.get(id=backup_id)
        assert backup.format == name
        linked.restore(backup)
        assert differences(state, live_read(linked.daemon.world)) == []
    assert linked.created().status == BackupStatus.READY
    linked.delete(Backup.objects.get(id=next(iter(states))))


KEPT = (
    "id", "order", "provision", "name", "status", "size_bytes", "added_bytes", "listing_bytes", "entries", "source",
    "consistency", "format", "created_at", "warnings_total", "asset__key", "asset__stored_bytes", "asset__sha256",
    "asset__content_type",
)  # fmt: skip


@pytest.fixture
def lost(snapshots):
    """Two snapshots of which the database is lost."""
    backups = [snapshots.snapshot(), snapshots.snapshot()]
    snapshots.place = snapshots.root / repository_folder(snapshots.row)
    snapshots.keys = [backup.asset.key for backup in backups]
    database_lose(snapshots)
    return snapshots


def test_an_archive_without_its_manifest_stays_deleted(linked):
    Plan.objects.update(backup_format=BackupFormat.ARCHIVE)
    kept, gone = linked.created(), linked.created()
    (linked.root / f"{gone.asset.key}.manifest").unlink()
    database_lose(linked)
    said, status = rebuilt()
    assert (status, Backup.objects.get().id) == (0, kept.id), said


def test_a_deletion_that_is_still_to_be_done_is_not_taken_back(snapshots):
    kept, gone = snapshots.snapshot(), snapshots.snapshot()
    backup_delete(user=snapshots.owner, backup=gone)
    Asset.objects.filter(id=gone.asset_id).update(key="backups/elsewhere")
    StoredObject.objects.filter(backup_id=gone.id).update(condemned_at=kept.completed_at)
    Backup.objects.filter(id=gone.id).delete()
    said, status = rebuilt(target=snapshots.target.name)
    assert (status, "1 known, 1 deleted" in said) == (0, True)
    assert Backup.objects.get().id == kept.id


def test_what_cannot_be_read_is_named_and_the_rest_comes_back(lost):
    flip(lost.root / lost.keys[0])
    said, status = rebuilt()
    assert (status, f"not brought back: {lost.keys[0]}" in said, Backup.objects.count()) == (1, True, 1)


def test_a_repository_whose_key_object_is_damaged_is_named(lost):
    [key] = [path for path in (lost.place / "keys").rglob("*") if path.is_file()]
    flip(key)
    said, status = rebuilt()
    assert (status, "the repository does not open" in said, Backup.objects.exists()) == (1, True, False)


def test_without_the_master_keys_nothing_opens_and_nothing_is_made(lost, keks):  # noqa: F811  # a fixture
    keks.use(SECOND)
    said, status = rebuilt()
    assert (status, "the copy of the key does not open" in said) == (1, True)
    assert not Customer.objects.exists()


def test_a_storage_without_keys_is_not_the_right_one(db, tmp_path):
    (tmp_path / "empty/.partial").mkdir(parents=True)
    StorageTargetFactory(name="New", options={"root": str(tmp_path / "empty")})
    said, status = rebuilt()
    assert (status, "There are no copies of keys in this storage" in said) == (1, True)


def test_a_storage_of_two_targets_asks_which(lost):
    [tenant] = [path for path in (lost.root / "keys").iterdir() if path.is_dir()]
    [copy] = tenant.iterdir()
    other = uuid4()
    (tenant / f"{other}.1.json").write_bytes(copy.read_bytes())
    former = UUID(copy.name.partition(".")[0])
    said, status = rebuilt()
    assert (status, str(former) in said, str(other) in said) == (1, True, True)
    assert rebuilt("--former", str(uuid4()))[1] == 1
    assert not Backup.objects.exists()
    assert rebuilt("--former", str(former))[1] == 0
    assert Backup.objects.count() == 2


def test_a_target_that_was_used_keeps_its_id(lost):
    target = StorageTarget.objects.get()
    Repository.objects.create(customer=ProvisionFactory().order.customer, target=target)
    said, status = rebuilt()
    assert (status, "The portal has stored under another id" in said) == (1, True)


def test_foreign_labels_are_named(lost, monkeypatch):
    opened, found = set(), bucket._of_snapshot

    def labels(root, *rest):
        root.labels.pop("order")
        opened.add(root.snapshot)
        return found(root, *rest)

    monkeypatch.setattr(bucket, "_of_snapshot", labels)
    said, status = rebuilt()
    assert (status, "its labels are not those of a backup" in said, len(opened)) == (1, True, 2)


def test_the_later_of_two_whole_attempts_is_the_backup(snapshots):
    snapshots.snapshot()
    row = snapshots.row
    labels = dict(repository_make(row).manifest(next(iter(snapshots.listed()))).root.labels)
    later = snapshot_create(snapshots.opened(), source=LocalTree(snapshots.world), labels=labels, threads=1)
    database_lose(snapshots)
    assert rebuilt()[1] == 0
    assert Asset.objects.get().key.endswith(later.snapshot.hex())
    assert StoredObject.objects.get().key == Asset.objects.get().key
