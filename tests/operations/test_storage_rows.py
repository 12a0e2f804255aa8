"""Stored, swept and deleted objects: targets do not affect each other, nor a late worker its successor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from uuid import uuid4

import pytest
from django.utils import timezone

from backups.errors import SidecarUnavailableError
from backups.formats.archive import _destination
from backups.models import Backup
from backups.services.backups import backup_delete
from backups.services.roles import operation_subject
from operations.models import Operation, OperationState
from operations.services.operations import operation_fail, operation_requeue
from operations.work.lease import FenceLost, Lease
from operations.work.run import operation_answer, operation_claim
from tests.operations.test_keys import FIRST, SECOND, keks  # noqa: F401  # a fixture
from vault.models import StorageTarget, StoredObject
from vault.services import sweep

pytestmark = pytest.mark.django_db


def doomed(target, **changes):
    key = f"backups/{uuid4()}.tar.gz"
    return StoredObject.objects.create(
        target=target, key=key, backup_id=uuid4(), condemned_at=timezone.now(), **changes
    )


@pytest.fixture
def root(rental):
    return rental.root


def test_a_target_that_is_away_keeps_no_other_from_being_swept(rental, root, monkeypatch):
    away = StorageTarget.objects.create(name="Away", kind="local", options={"root": str(root / "not-mounted")})
    monkeypatch.setattr(sweep, "BATCH", 3)
    for _ in range(3):
        doomed(away)
    row = doomed(rental.target)
    (root / "backups").mkdir()
    (root / row.key).write_bytes(b"x")
    sweep.storage_sweep()
    assert not (root / row.key).exists()


KILLED = """
import os, pathlib, signal, sys
from targets.local import LocalStorage
with LocalStorage(pathlib.Path(sys.argv[1])).writer("backups/killed", expected_size=4) as writer:
    writer.write(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_half_written_object_of_a_killed_worker_is_swept_after_grace(rental, root):
    for _ in range(3):
        ended = subprocess.run([sys.executable, "-c", KILLED, str(root)], check=False)
        assert ended.returncode == -signal.SIGKILL
    left = list((root / ".partial").iterdir())
    assert len(left) == 3
    old = time.time() - sweep.GRACE.total_seconds() - 60
    for path in left[:2]:
        os.utime(path, (old, old))
    sweep.storage_sweep()
    assert list((root / ".partial").iterdir()) == left[2:]


def test_target_with_unreadable_secrets_blocks_no_other_sweep(keks, rental, root):  # noqa: F811
    sealed = StorageTarget.objects.create(
        name="Sealed", kind="s3", options={}, secrets='{"access_key": "a", "secret_key": "b"}'
    )
    doomed(sealed)
    row = doomed(rental.target)
    (root / "backups").mkdir()
    (root / row.key).write_bytes(b"x")
    keks.use(SECOND)
    sweep.storage_sweep()
    assert not (root / row.key).exists()


def test_delete_on_an_unopenable_target_is_retried_forever(keks, rental, root):  # noqa: F811
    rental.create()
    operation_fail(operation=Operation.objects.get(), error=SidecarUnavailableError())
    backup = Backup.objects.get()
    sealed = StorageTarget.objects.create(name="Sealed", kind="local", options={"root": str(root)}, secrets="{}")
    StoredObject.objects.create(target=sealed, key=f"backups/{backup.id}.tar.gz", backup_id=backup.id)
    backup_delete(user=rental.owner, backup=backup)
    keks.use(SECOND)
    delete = Operation.objects.get(kind="delete")
    operation_answer(delete.id)
    delete.refresh_from_db()
    assert delete.state == OperationState.QUEUED
    assert delete.not_before > timezone.now()

    keks.use(FIRST)
    Operation.objects.update(not_before=None)
    operation_answer(delete.id)
    assert not Backup.objects.exists()


def test_late_worker_neither_owns_nor_deletes_an_object(rental, root):
    rental.create()
    late = operation_claim(Operation.objects.get().id)
    assert operation_requeue(operation=late, counts=True)
    new = operation_claim(late.id)
    place = _destination(new, operation_subject(new), Lease(new))
    with pytest.raises(FenceLost):
        _destination(late, operation_subject(late), Lease(late))
    assert StoredObject.objects.get().key == place.key
    assert StoredObject.objects.get().condemned_at is None
