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
from tests.provisions.test_sidecar_tls import enrol
from tests.sidecar_daemon.tls_daemon import TlsDaemon
from tests.world.rental import Rental

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def place(transactional_db, tmp_path, live_server):
    """An order with an enrolled sidecar."""
    rental = Rental.make(tmp_path / "storage")
    authority_create()
    daemon = TlsDaemon(tmp_path / "host")
    daemon.folder.mkdir()
    daemon.write_config()
    sidecar = rental.order.provisions.get(kind="sidecar")
    assert enrol(daemon, live_server.url, enrolment_create(sidecar=sidecar, hours=1)).returncode == 0
    daemon.start()
    sidecar.address = daemon.address
    sidecar.save(update_fields=["address"])
    yield rental, sidecar, daemon
    daemon.close()


def answer(rental: Rental) -> Operation:
    """Run the newest operation as a worker does."""
    operation = Operation.objects.filter(order=rental.order).latest("created_at")
    operation_answer(operation.id)
    operation.refresh_from_db()
    return operation


def test_a_worker_backs_up_and_restores(place):
    rental, _, daemon = place
    (daemon.world / "level.dat").write_bytes(b"first")
    backup = rental.create()
    assert answer(rental).state == "succeeded"
    (daemon.world / "level.dat").write_bytes(b"second")
    backup_restore(
        order_id=rental.order.id,
        provision_id=rental.server.id,
        backup_id=backup.id,
        options=RestoreOptions(),
        user=rental.owner,
        idempotency=None,
    )
    assert answer(rental).state == "succeeded"
    assert (daemon.world / "level.dat").read_bytes() == b"first"
    assert Backup.objects.get(id=backup.id).status == "ready"


def test_a_worker_does_not_call_a_revoked_sidecar(place):
    rental, sidecar, daemon = place
    sidecar_certificate_revoke(sidecar=sidecar)
    rental.create()
    operation = answer(rental)
    assert (operation.state, operation.error_code) == ("failed", "sidecar_refused")
    assert daemon.called() == []
