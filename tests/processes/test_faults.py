"""Crashed, stopped or lying parts: the order is usable again within a minute, and no file is half new.

A sidecar stopped by SIGSTOP keeps an operation in its middle for as long as a test needs.
"""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager

import pytest

from tests.processes.database import row_of, worker_pid
from tests.processes.portal import portal
from tests.processes.test_portal import download_compare
from tests.processes.tree import is_alive, processes_of
from tests.processes.waiting import wait_until

USABLE_SECONDS = 60
LARGE_BYTES = 192 << 20
"""A test restore of so much goes on while the test looks for its worker."""


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with portal(tmp_path_factory.mktemp("faults") / "home") as found:
        yield found


@pytest.fixture(autouse=True)
def usable_afterwards(running):
    """Check after each test that a backup works within a minute, and is correct."""
    yield
    for name in running.children:
        running.kill(name, signal.SIGCONT) if running.children[name].ended is None else running.restart(name)
    for row in running.api("GET", running.backups).json["results"]:
        running.ended(row["id"], status=None, seconds=USABLE_SECONDS)
    answer = running.api("POST", running.backups, {})
    assert answer.status == 202, answer
    backup = running.ended(answer.json["id"], seconds=USABLE_SECONDS)
    assert download_compare(running, backup) == []
    for row in running.api("GET", running.backups).json["results"]:
        assert running.api("DELETE", f"{running.backups}{row['id']}/").status == 204


@contextmanager
def held(running, path="", body=None):
    """A claimed operation that cannot continue until the block ends."""
    running.kill("sidecar", signal.SIGSTOP)
    try:
        answer = running.api("POST", f"{running.backups}{path}", body or {})
        assert answer.status == 202, answer
        wait_until(lambda: operation(running, answer.json)["state"] == "running", seconds=30, what="a claim")
        yield answer.json
    finally:
        if running.children["sidecar"].ended is None:
            running.kill("sidecar", signal.SIGCONT)


def operation(running, backup):
    return running.api("GET", f"{running.backups}{backup['id']}/").json["operation"]


def test_a_killed_worker_is_replaced_and_its_create_done_by_another(running):
    with held(running) as backup:
        os.kill(worker_pid(running.home, backup["operation"]["id"]), signal.SIGKILL)
        wait_until(lambda: left(operation_row(running, backup)), seconds=20, what="the requeue")
    done = running.ended(backup["id"], seconds=USABLE_SECONDS)
    assert done["operation"]["id"] == backup["operation"]["id"]
    assert operation_row(running, backup)["attempts"] == 2


def left(row):
    """Whether an operation has left its first worker; the next one may claim it before it is seen as queued."""
    return row["state"] == "queued" or row["fence"] > 1


def operation_row(running, backup):
    return row_of(running.home, "operations_operation", backup["operation"]["id"])


def test_killed_idle_workers_do_not_freeze_the_queue(running):
    workers = [pid for pid, line in processes_of(running.home).items() if "qcluster" in line]
    killed = [pid for pid in workers[1:] if is_alive(pid)]
    assert killed
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not any(map(is_alive, killed)), seconds=30, what="the end of the killed workers")
    running.ended(running.api("POST", running.backups, {}).json["id"], seconds=USABLE_SECONDS)


def test_a_killed_sidecar_fails_the_create_with_its_reason(running):
    with held(running) as backup:
        running.kill("sidecar")
        failed = running.ended(backup["id"], status="failed", seconds=USABLE_SECONDS)
    assert failed["operation"]["error"]["code"] == "sidecar_unavailable"
    assert "not changed" in failed["operation"]["error"]["detail"]
    running.restart("sidecar")


def test_a_sidecar_that_is_down_fails_the_create_quickly(running):
    running.kill("sidecar")
    answer = running.api("POST", running.backups, {})
    failed = running.ended(answer.json["id"], status="failed", seconds=USABLE_SECONDS)
    assert failed["operation"]["error"]["code"] == "sidecar_unavailable"
    running.restart("sidecar")


def test_a_cancel_acts_within_ten_seconds_although_the_sidecar_hangs(running):
    with held(running) as backup:
        answer = running.api("POST", f"operations/{backup['operation']['id']}/cancel/")
        assert answer.status == 202
        failed = running.ended(backup["id"], status="failed", seconds=10)
    assert failed["operation"]["state"] == "cancelled"
    assert failed["operation"]["error"]["code"] == "cancelled"


def test_workers_that_are_told_to_stop_put_their_work_back_uncounted(running):
    with held(running) as backup:
        running.kill("worker", signal.SIGTERM)
        wait_until(lambda: running.children["worker"].ended is not None, seconds=30, what="the drain")
        row = operation_row(running, backup)
        assert (row["state"], row["attempts"]) == ("queued", 0)
        running.children["worker"].start()
    running.ended(backup["id"], seconds=USABLE_SECONDS)


def test_killed_supervisor_leaves_no_process_and_its_work_continues(running):
    with held(running) as backup:
        running.kill("worker")
        wait_until(
            lambda: not [line for line in processes_of(running.home).values() if "qcluster" in line],
            seconds=30,
            what="the end of the orphaned workers",
        )
        running.children["worker"].start()
    running.ended(backup["id"], seconds=USABLE_SECONDS)


def test_a_worker_paused_past_its_lease_changes_nothing_when_it_wakes(running):
    with held(running) as backup:
        late = worker_pid(running.home, backup["operation"]["id"])
        os.kill(late, signal.SIGSTOP)
    done = running.ended(backup["id"], seconds=USABLE_SECONDS)
    before = row_of(running.home, "backups_backup", backup["id"])
    assert operation_row(running, backup)["fence"] == 2
    os.kill(late, signal.SIGCONT)
    log = running.home / "logs/worker.log"
    wait_until(lambda: "was taken over" in log.read_text(), seconds=40, what="the late worker's end")
    assert row_of(running.home, "backups_backup", backup["id"]) == before
    assert download_compare(running, done) == []


def test_restore_of_a_dead_worker_is_finished_by_another(running):
    backup = running.backup()
    properties = running.world / "server.properties"
    before = properties.read_bytes()
    properties.write_bytes(b"broken")
    with held(running, f"{backup['id']}/restore/") as restoring:
        os.kill(worker_pid(running.home, restoring["operation"]["id"]), signal.SIGKILL)
        wait_until(lambda: left(operation_row(running, restoring)), seconds=20, what="the requeue")
    running.ended(backup["id"], seconds=USABLE_SECONDS)
    assert properties.read_bytes() == before


def test_a_test_restore_of_a_dead_worker_is_done_by_another(running):
    large = running.world / "large.bin"
    large.write_bytes(os.urandom(LARGE_BYTES))
    backup = running.backup()
    large.unlink()
    answer = running.api("POST", f"{running.backups}{backup['id']}/verify/", {"depth": "restore"})
    assert answer.status == 202, answer
    restored = running.home / "trials"
    wait_until(lambda: [*restored.glob("*/large.bin")], seconds=30, what="a file of the test restore")
    os.kill(worker_pid(running.home, answer.json["id"]), signal.SIGKILL)
    wait_until(
        lambda: left(row_of(running.home, "operations_operation", answer.json["id"])), seconds=20, what="requeue"
    )
    proof = running.ended(backup["id"], seconds=USABLE_SECONDS)["proof"]
    assert (proof["depth"], proof["ok"]) == ("restore", True)
    assert proof["counted"]["bytes"] > LARGE_BYTES
    assert row_of(running.home, "operations_operation", answer.json["id"])["attempts"] == 2
    assert [*restored.iterdir()] == []


def test_sidecar_death_before_the_exchange_leaves_the_world_unchanged(running):
    backup = running.backup()
    properties = running.world / "server.properties"
    whole = properties.read_bytes()
    properties.write_bytes(b"changed since")
    with held(running, f"{backup['id']}/restore/"):
        running.kill("sidecar")
        failed = running.ended(backup["id"], seconds=USABLE_SECONDS + 60)
    assert failed["operation"]["state"] == "failed"
    assert failed["operation"]["error"]["code"] == "sidecar_unavailable"
    assert properties.read_bytes() == b"changed since"
    properties.write_bytes(whole)
    running.restart("sidecar")


@pytest.mark.parametrize("damage", ["a flipped bit", "a cut", "gone"])
def test_a_damaged_archive_is_refused_before_anything_is_touched(running, damage):
    backup = running.backup()
    (stored,) = [path for path in (running.home / "storage").rglob(f"{backup['id']}.*") if path.suffix == ".gz"]
    content = bytearray(stored.read_bytes())
    if damage == "a flipped bit":
        content[len(content) // 2] ^= 1
        stored.write_bytes(content)
    elif damage == "a cut":
        stored.write_bytes(content[:-1000])
    else:
        stored.unlink()
    extra = running.world / "extra.txt"
    extra.write_text("still here")

    assert running.api("POST", f"{running.backups}{backup['id']}/restore/", {}).status == 202
    after = running.ended(backup["id"])
    assert after["operation"]["error"]["code"] == "archive_damaged"
    assert extra.read_text() == "still here"
    assert not (running.world / ".savepoint").exists()
    extra.unlink()


def test_missing_storage_is_reported_and_loses_nothing(running):
    backup = running.backup()
    storage = running.home / "storage"
    storage.rename(storage.with_name("away"))
    answer = running.api("POST", running.backups, {})
    failed = running.ended(answer.json["id"], status="failed", seconds=USABLE_SECONDS)
    assert failed["operation"]["error"]["code"] == "storage_unavailable"
    download = running.api("GET", f"assets/{backup['asset_id']}/")
    assert (download.status, download.json["code"]) == (503, "storage_unavailable")
    storage.with_name("away").rename(storage)
    assert download_compare(running, backup) == []


def test_a_data_root_that_is_gone_fails_the_create_with_its_reason(running):
    running.world.rename(running.world.with_name("moved"))
    answer = running.api("POST", running.backups, {})
    failed = running.ended(answer.json["id"], status="failed", seconds=USABLE_SECONDS)
    running.world.with_name("moved").rename(running.world)
    assert failed["operation"]["error"]["code"] == "source_failed"
