"""A backup and its restore by a worker's own code, with a sidecar behind TLS."""

from __future__ import annotations

import pytest

from backups.models import Backup
from backups.services.restores import RestoreOptions, backup_restore
from operations.models import Operation
from operations.work.run import operation_answer
from provisions.services.sidecar_authority import authority_create
from provisions.services.sidecar_certificates import sidecar_certificate_revoke
from provisions.services.sidecar_enrolment import enrolment_create
from tests.operations.conftest import Shop, shop_open
from tests.provisions.test_sidecar_tls import enrol
from tests.sidecar_daemon.tls_daemon import TlsDaemon

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def place(transactional_db, tmp_path, live_server):
    """An order with an enrolled sidecar."""
    shop = shop_open(tmp_path)
    (tmp_path / "storage").mkdir()
    authority_create()
    daemon = TlsDaemon(tmp_path / "host")
    daemon.folder.mkdir()
    daemon.write_config()
    sidecar = shop.order.provisions.get(kind="sidecar")
    assert enrol(daemon, live_server.url, enrolment_create(sidecar=sidecar, hours=1)).returncode == 0
    daemon.start()
    sidecar.address = daemon.address
    sidecar.save(update_fields=["address"])
    yield shop, sidecar, daemon
    daemon.close()


def answer(shop: Shop) -> Operation:
    """Run the newest operation as a worker does."""
    operation = Operation.objects.filter(order=shop.order).latest("created_at")
    operation_answer(operation.id)
    operation.refresh_from_db()
    return operation


def test_a_worker_backs_up_and_restores(place):
    shop, _, daemon = place
    (daemon.world / "level.dat").write_bytes(b"first")
    backup = shop.create()
    assert answer(shop).state == "succeeded"
    (daemon.world / "level.dat").write_bytes(b"second")
    backup_restore(
        order_id=shop.order.id,
        provision_id=shop.server.id,
        backup_id=backup.id,
        options=RestoreOptions(),
        user=shop.owner,
        idempotency=None,
    )
    assert answer(shop).state == "succeeded"
    assert (daemon.world / "level.dat").read_bytes() == b"first"
    assert Backup.objects.get(id=backup.id).status == "ready"


def test_a_worker_does_not_call_a_revoked_sidecar(place):
    shop, sidecar, daemon = place
    sidecar_certificate_revoke(sidecar=sidecar)
    shop.create()
    operation = answer(shop)
    assert (operation.state, operation.error_code) == ("failed", "sidecar_refused")
    assert daemon.called() == []
