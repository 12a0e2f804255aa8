"""A test restore writes every file to the worker's disk, compares it, and proves or marks the backup."""

from __future__ import annotations

import fcntl
import os
import signal
from pathlib import Path

import pytest
from django_q.signals import post_spawn

from backups.models import Backup, Depth
from backups.services.verification import backup_verify
from backups.trials import folder, slices
from backups.trials import run as trials
from backups.trials.folder import trial_folder, trials_sweep
from backups.trials.run import trial_restore
from common.errors import error_detail
from operations.models import Operation, OperationState
from operations.services.operations import operation_cancel
from operations.work.lease import Lease
from operations.work.run import operation_answer
from orders.models import BackupFormat
from tests.world.clients import browser_of
from tests.world.stocked import Stocked


@pytest.fixture(autouse=True)
def home(settings, tmp_path: Path) -> Path:
    settings.SAVEPOINT_HOME = tmp_path / "home"
    return tmp_path / "home"


def asked(stocked: Stocked, backup: Backup) -> Operation:
    return backup_verify(
        user=stocked.owner, order_id=stocked.order.id, provision_id=stocked.server.id, backup_id=backup.id,
        depth=Depth.RESTORE, idempotency=None,
    )  # fmt: skip


def tried(stocked: Stocked, backup: Backup) -> tuple[Operation, Backup]:
    operation = asked(stocked, backup)
    operation_answer(operation.id)
    operation.refresh_from_db()
    backup.refresh_from_db()
    return operation, backup


def left(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "trials").glob("*"))


@pytest.mark.parametrize(("entries", "mib"), [(20_000, 2048), (7, 2048), (20_000, 1)])
def test_every_file_is_restored_and_compared(stocked, home, monkeypatch, settings, entries, mib):
    monkeypatch.setattr(slices, "SLICE_ENTRIES", entries)
    settings.SAVEPOINT_TRIAL_MIB = mib
    operation, backup = tried(stocked, stocked.keep())
    assert operation.state == OperationState.SUCCEEDED, operation.error_code
    proof = backup.proof
    assert (proof["depth"], proof["ok"], proof["counted"]["files"]) == ("restore", True, 126)
    assert proof["counted"]["links"] == 2
    assert proof["counted"]["bytes"] > 3 << 20
    assert backup.proven_at == backup.verified_at
    assert left(home) == []


def test_hidden_files_come_back_as_a_user_without_rights_reads_them(stocked, home):
    (stocked.files / "world/level.dat").chmod(0)
    (stocked.files / "world/playerdata").chmod(0o500)
    backup = stocked.keep()
    try:
        _, backup = tried(stocked, backup)
    finally:
        (stocked.files / "world/playerdata").chmod(0o700)
    assert (backup.proof["ok"], left(home)) == (True, [])


def test_damage_marks_the_backup_and_takes_its_proof(stocked, home):
    _, backup = tried(stocked, stocked.keep())
    stored = max((path for path in stocked.root.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    whole = bytearray(stored.read_bytes())
    stored.write_bytes(whole[: len(whole) // 2] + bytes([whole[len(whole) // 2] ^ 1]) + whole[len(whole) // 2 + 1 :])
    operation, backup = tried(stocked, backup)
    assert operation.state == OperationState.SUCCEEDED
    assert (backup.degraded, backup.proof["ok"], backup.proven_at, left(home)) == (True, False, None, [])
    named = [found["path"] for found in backup.proof["damaged"]]
    if stocked.format == BackupFormat.REPOSITORY:
        assert named == [found["path"] for found in backup.damaged["paths"]] == ["world/region/r.0.0.mca"]
    else:
        assert (len(named), backup.damaged) == (1, None)
        assert (stocked.files / named[0]).exists()
    assert (
        named[0] in browser_of(stocked.owner).get(f"/orders/{stocked.order.id}/backups/{backup.id}/").content.decode()
    )
    stored.write_bytes(whole)
    _, backup = tried(stocked, backup)
    assert (backup.degraded, backup.proof["ok"]) == (False, True)


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda entry: entry._replace(size=entry.size + 1), slices.OTHER_SIZE),
        (lambda entry: entry._replace(mode=0o640), slices.OTHER_MODE),
        (lambda entry: entry._replace(crc32=1, hash=entry.hash and bytes(32)), slices.OTHER_CONTENT),
        (lambda entry: entry._replace(path=b"server.propertiet"), slices.MISSING),
    ],
)
def test_a_file_that_is_not_as_listed_is_found(stocked, monkeypatch, harm, reason):
    listed = trials._Trial._listed

    def wrong(self):
        for entry in listed(self):
            yield harm(entry) if entry.path == b"server.properties" else entry

    monkeypatch.setattr(trials._Trial, "_listed", wrong)
    faults = []
    monkeypatch.setattr(trials._Trial, "_fault", lambda self, path, why: faults.append((path, why)))
    tried(stocked, stocked.keep())
    named = b"server.propertiet" if reason == slices.MISSING else b"server.properties"
    extra = [(b"server.properties", slices.EXTRA)] if reason == slices.MISSING else []
    assert faults == [*extra, (named, reason)]


@pytest.mark.parametrize("harm", ["content", "mode", "gone"])
def test_a_file_that_the_disk_changed_is_found(stocked, home, monkeypatch, harm):
    compare = slices.Slice.compare

    def changed(self):
        [root] = (home / "trials").iterdir()
        path = root / "server.properties"
        if harm == "content":
            path.write_bytes(b"x" * path.stat().st_size)
        elif harm == "mode":
            path.chmod(0o601)
        else:
            path.unlink()
        return compare(self)

    monkeypatch.setattr(slices.Slice, "compare", changed)
    _, backup = tried(stocked, stocked.keep())
    assert (backup.proof["ok"], backup.degraded) == (False, True)


def test_a_lesser_verification_keeps_the_proof_of_the_restore(stocked):
    _, backup = tried(stocked, stocked.keep())
    proof = backup.proof
    again = backup_verify(
        user=stocked.owner, order_id=stocked.order.id, provision_id=stocked.server.id, backup_id=backup.id,
        depth=Depth.STRUCTURE, idempotency=None,
    )  # fmt: skip
    operation_answer(again.id)
    backup.refresh_from_db()
    assert backup.proof == proof
    assert backup.verified_at > backup.proven_at


def test_a_cancelled_one_stops_and_leaves_nothing(stocked, home, monkeypatch):
    operation = asked(stocked, stocked.keep())
    progress = Lease.progress

    def cancel(self, **values):
        if not self._cancelled:
            operation_cancel(user=stocked.owner, operation=operation)
            self._cancelled = True
        progress(self, **values)

    monkeypatch.setattr(Lease, "progress", cancel)
    operation_answer(operation.id)
    operation.refresh_from_db()
    assert (operation.state, operation.error_code, left(home)) == (OperationState.CANCELLED, "cancelled", [])
    assert Backup.objects.get().proof is None


def test_a_full_disk_is_no_damage(stocked, home, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    operation, backup = tried(stocked, stocked.keep())
    assert (operation.state, operation.error_code) == (OperationState.FAILED, "scratch_full")
    assert (backup.proof, backup.degraded, left(home)) == (None, False, [])


def test_a_disk_with_too_little_room_is_told_before_anything_is_written(stocked, home, monkeypatch):
    free = folder.RESERVE_BYTES + (1 << 20)
    monkeypatch.setattr(folder, "_free_bytes", lambda _place: free)
    written = []
    monkeypatch.setattr(os, "pwrite", lambda *_: written.append(1))
    operation, backup = tried(stocked, stocked.keep())
    assert (operation.state, operation.error_code) == (OperationState.FAILED, "scratch_full")
    assert operation.error_params["free_bytes"] == free
    assert operation.error_params["needed_bytes"] > free
    said = error_detail(code=operation.error_code, params=operation.error_params)
    assert "test restores" in said
    assert "257\xa0MiB are free" in said
    assert (written, backup.proof, backup.degraded, left(home)) == ([], None, False, [])


def test_no_more_than_the_setting_is_on_the_disk_at_a_time(stocked, home, monkeypatch, settings):
    settings.SAVEPOINT_TRIAL_MIB = 1
    most = [0]
    wrote = trials._Trial._wrote

    def measured(self, length):
        files = [path.stat().st_blocks * 512 for path in (home / "trials").rglob("*") if path.is_file()]
        most[0] = max(most[0], sum(files))
        wrote(self, length)

    monkeypatch.setattr(trials._Trial, "_wrote", measured)
    _, backup = tried(stocked, stocked.keep())
    assert backup.proof["ok"]
    assert 1 << 19 < most[0] <= 2 << 20, "a MiB, and one piece of another"


CALLS = [
    (os, "pwrite"),
    (os, "mkdir"),
    (os, "rmdir"),
    (os, "unlink"),
    (os, "symlink"),
    (os, "fchmod"),
    (fcntl, "flock"),
]


def counted(monkeypatch, at: int) -> list[int]:
    """Count the calls that change the disk; the process kills itself in the one with the number `at`."""
    count = [0]

    def wrapped(call):
        def counting(*args, **named):
            count[0] += 1
            if count[0] == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **named)

        return counting

    for module, name in CALLS:
        monkeypatch.setattr(module, name, wrapped(getattr(module, name)))
    return count


class NoLease:
    """The lease of an operation that nobody watches."""

    def checkpoint(self) -> None: ...

    def progress(self, **_: object) -> None: ...


def test_a_kill_at_any_point_leaves_nothing_after_the_next_sweep(stocked, home):
    backup, operation = stocked.keep(), Operation(fence=1)
    trial_restore(backup, operation, NoLease())  # makes the folder of all
    with pytest.MonkeyPatch.context() as patch:
        count = counted(patch, at=0)
        assert trial_restore(backup, operation, NoLease()).whole
    survived = 0
    for at in sorted({*range(1, 9), *range(9, count[0], count[0] // 12), count[0]}):
        child = os.fork()
        if child == 0:
            with pytest.MonkeyPatch.context() as patch:
                counted(patch, at=at)
                trial_restore(backup, operation, NoLease())
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), at
        assert os.WTERMSIG(status) == signal.SIGKILL
        survived += bool(left(home))
        trials_sweep()
        assert left(home) == [], at
    assert survived > 10
    assert trial_restore(backup, operation, NoLease()).whole


def test_leftovers_of_a_killed_worker_go_and_a_running_one_stays(home):
    with trial_folder("running"):
        killed = home / "trials/killed"
        (killed / "world").mkdir(parents=True)
        (killed / "world/level.dat").write_bytes(b"left")
        (killed / "world").chmod(0o500)
        assert trials_sweep() == 1
        assert left(home) == ["running"]
        descriptor = os.open(home / "trials/running", os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(descriptor)
    assert left(home) == []
    assert (home / "trials").stat().st_mode & 0o777 == 0o700


def test_a_new_worker_removes_what_a_killed_one_left(home):
    (home / "trials/killed/world").mkdir(parents=True)
    post_spawn.send(sender="test", proc_name="worker")
    assert left(home) == []


@pytest.mark.parametrize("stocked", [BackupFormat.ARCHIVE], indirect=True, ids=str)
def test_an_archive_without_a_list_cannot_be_compared(stocked):
    backup = stocked.keep()
    Backup.objects.update(listing_bytes=None)
    operation, backup = tried(stocked, backup)
    assert (operation.error_code, backup.degraded) == ("files_unavailable", False)


def test_no_descriptor_is_left_open(stocked):
    backup = stocked.keep()
    tried(stocked, backup)
    before = len(list(Path("/proc/self/fd").iterdir()))
    tried(stocked, backup)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
