"""The connection to the sidecar breaks, stalls, slows down or drops everything, and recovers: R11 and R22.

Each time the operation ends in time, with its reason or as if nothing had happened; the files are old or new, and a
backup works afterwards.
"""

from __future__ import annotations

import time

import pytest

from backups.models import Backup, BackupStatus
from operations.models import OperationState
from tests.world.linked import WORLD_BYTES, Linked, Working, cancelled

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

BOUND_SECONDS = 20
AT = [0, 5_000, WORLD_BYTES // 2]
"""Offsets of the fault in bytes; a create or a restore transfers the whole world."""
AT_OF_ANSWERS = [0, 200, 500]
"""Offsets in the sidecar's answers to a restore, about eight hundred bytes in all."""


@pytest.fixture(autouse=True)
def usable_afterwards(linked: Linked):
    yield
    linked.proxy.heal()
    assert linked.created().status == BackupStatus.READY


def ended(linked: Linked, *, code: str = "sidecar_unavailable") -> bool:
    """Let a worker work; returns whether the operation succeeded. It must end in time, else with that code."""
    began = time.monotonic()
    operation = linked.work()
    assert time.monotonic() - began < BOUND_SECONDS
    if operation.state == OperationState.SUCCEEDED:
        return True
    assert (operation.state, operation.error_code) == (OperationState.FAILED, code)
    return False


@pytest.mark.parametrize("at", [*AT, WORLD_BYTES])
@pytest.mark.parametrize("trouble", ["cut_after", "stall_after"])
def test_create_with_a_broken_connection_ends_with_its_reason(
    linked: Linked, little_patience: None, trouble: str, at: int
) -> None:
    backup = linked.create()
    getattr(linked.proxy, trouble)(at, "down")
    succeeded = ended(linked)
    assert linked.proxy.struck.is_set()
    backup.refresh_from_db()
    # With all bytes transferred, only the confirmation that the scratch file was deleted is lost.
    assert backup.status == (BackupStatus.READY if succeeded else BackupStatus.FAILED)
    assert not succeeded or at >= WORLD_BYTES


@pytest.mark.parametrize(("direction", "at"), [*(("up", at) for at in AT), *(("down", at) for at in AT_OF_ANSWERS)])
@pytest.mark.parametrize("trouble", ["cut_after", "stall_after"])
def test_restore_with_a_broken_connection_is_whole_and_reported(
    linked: Linked, little_patience: None, trouble: str, direction: str, at: int
) -> None:
    backup = linked.created()
    new, old = linked.level(), b"changed since"
    (linked.daemon.world / "level.dat").write_bytes(old)
    linked.restore_ask(backup, safety=False)
    getattr(linked.proxy, trouble)(at, direction)
    struck = linked.proxy.struck

    operation = linked.work()
    if operation.is_live:
        # The exchange may have begun: only the journal can tell, so the operation stays open until then.
        assert operation.exchange
        linked.proxy.heal()
        operation = linked.work()

    assert struck.is_set()
    assert not operation.is_live
    assert linked.level() == (new if operation.state == OperationState.SUCCEEDED else old)
    assert operation.error_code in ("", "sidecar_unavailable")
    assert Backup.objects.get(id=backup.id).status == BackupStatus.READY


@pytest.mark.parametrize("kind", ["create", "restore"])
def test_a_cancel_acts_within_ten_seconds_while_the_sidecar_stalls(linked: Linked, kind: str) -> None:
    """With the product's own timeouts this would take half a minute."""
    if kind == "restore":
        linked.restore_ask(linked.created())
    else:
        linked.create()
    linked.proxy.stall_after(WORLD_BYTES // 2)
    working = Working()
    assert linked.proxy.struck.wait(BOUND_SECONDS)

    operation = cancelled(working, linked)

    assert (operation.state, operation.error_code) == (OperationState.CANCELLED, "cancelled")
    linked.proxy.heal()
    working.join(BOUND_SECONDS)
    assert not working.is_alive()


def test_a_slow_sidecar_is_waited_for(linked: Linked, little_patience: None) -> None:
    linked.create()
    linked.proxy.throttle(WORLD_BYTES)
    assert ended(linked)
    assert linked.proxy.struck.is_set()


def test_a_network_that_is_gone_for_a_moment_costs_nothing(linked: Linked) -> None:
    linked.create()
    linked.proxy.stall_after(WORLD_BYTES // 2)
    working = Working()
    assert linked.proxy.struck.wait(BOUND_SECONDS)
    linked.proxy.heal()
    working.join(BOUND_SECONDS)
    working.operation.refresh_from_db()
    assert working.operation.state == OperationState.SUCCEEDED
