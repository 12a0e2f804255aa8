"""The connection to an S3 storage breaks, stalls or slows down: R9, R11, R12. A real server is behind the proxy."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from random import Random
from typing import Any

import pytest

from backups.models import Backup, BackupStatus, Depth
from backups.services.verification import backup_verify
from operations.models import Operation, OperationState
from orders.models import BackupFormat, Plan
from repository.retrying import Retry
from targets import s3_client as s3_requests
from tests.services.fault_proxy import FaultProxy, fault_proxy
from tests.services.seaweedfs import S3Server, s3_client, seaweedfs
from tests.world.linked import Linked, Working, cancelled
from vault.models import StorageTarget
from vault.services import opening
from vault.services.sweep import storage_sweep

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

BOUND_SECONDS = 40
PART_BYTES = 8 << 20
CONTENT_BYTES = 2 * PART_BYTES + 1_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as found:
        yield found


@pytest.fixture
def observer(server: S3Server) -> Iterator[Any]:
    """A client that bypasses the proxy."""
    with closing(s3_client(server)) as client:
        yield client


@pytest.fixture(params=list(BackupFormat), ids=str)
def backup_format(request: pytest.FixtureRequest, transactional_db: None) -> BackupFormat:
    """The format of the plan of every order."""
    return BackupFormat(request.param)


@pytest.fixture
def link(linked: Linked, server: S3Server, backup_format: BackupFormat) -> Iterator[FaultProxy]:
    """The proxy in front of the storage that this server uses from now on."""
    Plan.objects.update(backup_format=backup_format)
    with fault_proxy(server.endpoint.removeprefix("http://")) as proxy:
        StorageTarget.objects.filter(id=linked.target.id).update(
            kind="s3",
            options={
                "bucket": server.bucket, "endpoint_url": f"http://{proxy.address}", "region": "us-east-1",
                "prefix": str(linked.order.id), "path_style": True, "conditional_writes": True,
            },
        )  # fmt: skip
        target = StorageTarget.objects.get(id=linked.target.id)
        target.secrets = json.dumps({"access_key": server.access_key, "secret_key": server.secret_key})
        target.save()
        content = Random(2).randbytes(CONTENT_BYTES)  # noqa: S311 - the same in every run
        (linked.daemon.world / "level.dat").write_bytes(content)
        yield proxy


@contextmanager
def impatient() -> Iterator[None]:
    """Give up on the storage soon, in this block alone: a busy machine needs the product's own times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(s3_requests, "CONNECT_TIMEOUT_SECONDS", 1)
        patch.setattr(s3_requests, "READ_TIMEOUT_SECONDS", 1)
        patch.setattr(opening, "Retry", partial(Retry, tries=2))
        yield


def uploads(observer: Any, server: S3Server, order: object) -> list[str]:
    page = observer.list_multipart_uploads(Bucket=server.bucket, Prefix=f"{order}/")
    return [upload["Key"] for upload in page.get("Uploads", [])]


def stored(observer: Any, server: S3Server, order: object) -> list[str]:
    """The keys of all archives with what is beside them, and of all roots of snapshots."""
    found = observer.list_objects_v2(Bucket=server.bucket, Prefix=f"{order}/").get("Contents", [])
    keys = [entry["Key"].removeprefix(f"{order}/") for entry in found]
    return [key for key in keys if key.startswith("backups/") or "/snapshots/" in key]


@pytest.mark.parametrize("at", [0, 1, 5_000, PART_BYTES // 2, PART_BYTES + 4_000_000, CONTENT_BYTES])
@pytest.mark.parametrize("trouble", ["cut_after", "stall_after"])
def test_create_without_storage_fails_in_time_and_leaves_nothing(
    linked: Linked, link: FaultProxy, observer: Any, server: S3Server, trouble: str, at: int
) -> None:
    backup = linked.create()
    getattr(link, trouble)(at, "up")
    began = time.monotonic()

    with impatient():
        operation = linked.work()

    assert time.monotonic() - began < BOUND_SECONDS
    assert link.struck.is_set()
    assert (operation.state, operation.error_code) == (OperationState.FAILED, "storage_unavailable")
    assert Backup.objects.get(id=backup.id).status == BackupStatus.FAILED
    link.heal()
    usable(linked)
    storage_sweep()
    left = [key for key in stored(observer, server, linked.order.id) if not key.endswith((".manifest", ".listing"))]
    assert left == [Backup.objects.get(status=BackupStatus.READY).asset.key]


def usable(linked: Linked) -> None:
    """Check that a backup can be made, and that its stored bytes are the server's."""
    backup = linked.created()
    assert backup.status == BackupStatus.READY
    whole_require(linked, backup)


def whole_require(linked: Linked, backup: Backup) -> None:
    """Read a backup to its end."""
    backup_verify(
        user=linked.owner, order_id=backup.order_id, provision_id=backup.provision_id, backup_id=backup.id,
        depth=Depth.DATA, idempotency=None,
    )  # fmt: skip
    assert linked.work().result["done"]["degraded"] == 0


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_connection_cut_once_inside_a_part_costs_only_that_part(
    linked: Linked, link: FaultProxy, observer: Any, server: S3Server, direction: str
) -> None:
    """The connection breaks in the middle of the first part and recovers at once: the part is sent again."""
    linked.create()
    link.cut_after(PART_BYTES // 2 if direction == "up" else 2_000, direction)  # type: ignore[arg-type]
    working = Working()
    assert link.struck.wait(BOUND_SECONDS)
    link.heal()
    working.join(BOUND_SECONDS)
    assert not working.is_alive()
    assert Operation.objects.get(id=working.operation.id).state == OperationState.SUCCEEDED
    assert uploads(observer, server, linked.order.id) == []
    whole_require(linked, Backup.objects.get())


@pytest.mark.parametrize("at", [0, 100_000, PART_BYTES])
def test_restore_without_storage_touches_nothing(linked: Linked, link: FaultProxy, at: int) -> None:
    backup = linked.created()
    level = linked.daemon.world / "level.dat"
    level.write_bytes(b"changed since")
    linked.restore_ask(backup, safety=False)
    link.cut_after(at, "down")

    with impatient():
        operation = linked.work()

    assert (operation.state, operation.error_code) == (OperationState.FAILED, "storage_unavailable")
    assert level.read_bytes() == b"changed since"
    assert linked.daemon.left_in_scratch() == []
    link.heal()
    linked.restore_ask(backup, safety=False)
    assert linked.work().state == OperationState.SUCCEEDED
    assert level.stat().st_size == CONTENT_BYTES


@pytest.mark.parametrize("at", [0, PART_BYTES // 2])
def test_a_cancel_acts_within_ten_seconds_while_the_storage_stalls(
    linked: Linked, link: FaultProxy, observer: Any, server: S3Server, at: int
) -> None:
    """With the product's own timeouts this would take minutes."""
    linked.create()
    link.stall_after(at, "up")
    working = Working()
    assert link.struck.wait(BOUND_SECONDS)

    operation = cancelled(working, linked)

    assert (operation.state, operation.error_code) == (OperationState.CANCELLED, "cancelled")
    link.heal()
    working.join(BOUND_SECONDS)
    assert not working.is_alive()
    # Objects that the late worker may have completed under its own key were marked for deletion at the end.
    storage_sweep()
    assert stored(observer, server, linked.order.id) == []
    assert uploads(observer, server, linked.order.id) == []


@pytest.mark.parametrize("at", [0, 100_000])
@pytest.mark.parametrize("work", ["restore", "verify"])
def test_a_cancel_acts_within_ten_seconds_while_a_read_stalls(
    linked: Linked, link: FaultProxy, work: str, at: int
) -> None:
    backup = linked.backup()
    level = linked.daemon.world / "level.dat"
    level.write_bytes(b"changed since")
    if work == "restore":
        linked.restore_ask(backup, safety=False)
    else:
        backup_verify(
            user=linked.owner, order_id=backup.order_id, provision_id=backup.provision_id, backup_id=backup.id,
            depth=Depth.DATA, idempotency=None,
        )  # fmt: skip
    link.stall_after(at, "down")
    working = Working()
    assert link.struck.wait(BOUND_SECONDS)

    operation = cancelled(working, linked)

    assert (operation.state, operation.error_code) == (OperationState.CANCELLED, "cancelled")
    link.heal()
    working.join(BOUND_SECONDS)
    assert not working.is_alive()
    assert level.read_bytes() == b"changed since"
    backup.refresh_from_db()
    assert (backup.status, backup.degraded) == (BackupStatus.READY, False)
    linked.restore(backup)
    assert level.stat().st_size == CONTENT_BYTES


def test_a_slow_storage_is_waited_for(linked: Linked, link: FaultProxy) -> None:
    linked.create()
    link.throttle(CONTENT_BYTES // 3)
    assert linked.work().state == OperationState.SUCCEEDED
    assert link.struck.is_set()


def test_healthy_proxy_forwards_everything(link: FaultProxy, linked: Linked, server: S3Server) -> None:
    """Shows that the other tests fail for the reasons they name."""
    usable(linked)
    assert link.passed["up"] > CONTENT_BYTES
    assert link.passed["down"] > CONTENT_BYTES
    assert not link.struck.is_set()
