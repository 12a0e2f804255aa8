"""R13: stored bytes of a backup differ from those written. It is told, fails closed, and costs no other backup."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from accounts.models import AuditEvent
from backups.formats import snapshot_restore
from backups.models import Backup, BackupStatus
from demo.comparison import differences, live_read
from operations.models import Operation, OperationState
from orders.models import BackupFormat
from tests.repository.damaged import HARM
from tests.world.clients import browser_of, client_of
from tests.world.linked import Linked
from tests.world.snapshots import pack_of
from vault.errors import ArchiveDamagedError
from vault.services.repositories import repository_get, snapshot_of

pytestmark = pytest.mark.processes

HIT = b"level.dat"


def harmed(name: str) -> Callable[[Path, Path], None]:
    return lambda path, _other: void(path.write_bytes(HARM[name](path.read_bytes())))


def void(_result: object) -> None:
    pass


DAMAGES: dict[str, Callable[[Path, Path], None]] = {
    **{
        name: harmed(name)
        for name in ("emptied", "cut to a header", "cut in half", "flipped in the header", "flipped in the middle",
                     "zeros")
    },
    "swapped": lambda path, other: void(path.write_bytes(other.read_bytes())),
    "gone": lambda path, _other: path.unlink(),
}  # fmt: skip
FEW = ["emptied", "flipped in the middle", "swapped", "gone"]


class Hit:
    """Two backups of a server; `hurt` damages the file that only the second one has."""

    def __init__(self, rented: Linked) -> None:
        self.rented = rented
        self.world = rented.daemon.world
        (self.world / "plugins").mkdir()
        (self.world / "plugins/config.yml").write_bytes(b"motd: hello")
        self.intact, self.before = rented.backup(), live_read(self.world)
        (self.world / "level.dat").write_bytes(Random(5).randbytes(2 << 20))  # noqa: S311  # the same in every run
        self.hit, self.after = rented.backup(), live_read(self.world)
        (self.world / "plugins/config.yml").write_bytes(b"motd: changed")
        self.path, other = (self.object_of(backup) for backup in (self.hit, self.intact))
        self.other = other
        self.whole = self.path.read_bytes()

    @property
    def has_files(self) -> bool:
        """Whether damage is told by file: an archive is restored as a whole or not at all."""
        return self.hit.format == BackupFormat.REPOSITORY

    def object_of(self, backup: Backup) -> Path:
        if backup.format == BackupFormat.REPOSITORY:
            return pack_of(self.rented, backup, HIT)
        return self.rented.root / backup.asset.key

    def hurt(self, damage: str) -> None:
        DAMAGES[damage](self.path, self.other)

    def heal(self) -> None:
        self.path.write_bytes(self.whole)

    def verify(self) -> None:
        """Ask for a verification by the API, and let a worker do it."""
        answer = client_of(self.rented.owner).post(
            self.rented.backup_url(self.hit, "verify/"), {"depth": "data"}, format="json"
        )
        assert answer.status_code == 202, answer.json()
        assert self.rented.work().state == OperationState.SUCCEEDED

    def shown(self) -> tuple[dict, str]:
        """The backup as API and page show it."""
        told = client_of(self.rented.owner).get(self.rented.backup_url(self.hit)).json()
        return told, browser_of(self.rented.owner).get(self.rented.at(self.hit)).content.decode()

    def restore(self, backup: Backup, **options) -> Operation:
        self.rented.restore_ask(backup, safety=False, **options)
        return self.rented.work()

    def refused(self, **options) -> tuple[str, dict]:
        """The refusal of a restore of the damaged backup, at the request or by the worker; nothing was touched."""
        live = live_read(self.world)
        body = {"safety_backup": False, **options}
        answer = client_of(self.rented.owner).post(self.rented.backup_url(self.hit, "restore/"), body, format="json")
        if answer.status_code == 202:
            operation = self.rented.work()
            assert operation.state == OperationState.FAILED
            assert AuditEvent.objects.filter(action="restore.failed", object_id=operation.id).count() == 1
            refusal = operation.error_code, operation.error_params
        else:
            assert answer.status_code == 409
            refusal = answer.json()["code"], {"paths": answer.json()["detail"]}
        assert differences(live, live_read(self.world)) == []
        assert not (self.world / ".savepoint").exists()
        self.hit.refresh_from_db()
        assert self.hit.status == BackupStatus.READY
        return refusal


@pytest.fixture
def hit(rented: Linked) -> Hit:
    return Hit(rented)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_verification_names_the_damage_and_other_files_come_back(hit: Hit, damage: str) -> None:
    hit.hurt(damage)
    hit.verify()
    told, page = hit.shown()
    assert (told["degraded"], told["proof"]["ok"]) == (True, False)
    assert "damaged" in told["caution"]
    assert "damaged" in page
    code, params = hit.refused()
    assert code == "archive_damaged"
    if hit.has_files:
        assert [found["path"] for found in told["damaged"]["paths"]] == ["level.dat"]
        assert "level.dat" in page
        assert "level.dat" in params["paths"]
        assert hit.restore(hit.hit, paths=(b"plugins",), mode="overlay").state == OperationState.SUCCEEDED
        assert (hit.world / "plugins/config.yml").read_bytes() == b"motd: hello"
    assert hit.refused(paths=["level.dat"], mode="overlay")[0] == "archive_damaged"
    assert hit.restore(hit.intact).state == OperationState.SUCCEEDED
    assert differences(hit.before, live_read(hit.world)) == []
    hit.heal()
    hit.verify()
    told, _ = hit.shown()
    assert (told["degraded"], told["damaged"], told["caution"]) == (False, None, None)
    assert hit.restore(hit.hit).state == OperationState.SUCCEEDED
    assert differences(hit.after, live_read(hit.world)) == []


@pytest.mark.parametrize("damage", FEW)
def test_a_restore_that_meets_damage_names_it_and_touches_nothing(hit: Hit, damage: str) -> None:
    hit.hurt(damage)
    (hit.world / "level.dat").write_bytes(b"live")  # so that the damaged file is needed
    code, params = hit.refused()
    assert code == "archive_damaged"
    told, page = hit.shown()
    assert told["degraded"]
    assert "damaged" in page
    assert AuditEvent.objects.filter(action="backup.degrade", object_id=hit.hit.id).count() == 1
    if hit.has_files:
        assert params == {"files": 1, "paths": "level.dat"}
        assert "level.dat" in told["operation"]["error"]["detail"]
        assert hit.restore(hit.hit, paths=(b"plugins",), mode="overlay").state == OperationState.SUCCEEDED
    assert hit.restore(hit.intact).state == OperationState.SUCCEEDED
    assert differences(hit.before, live_read(hit.world)) == []


def resealed(hit: Hit) -> None:
    """Seal other bytes under the id of the first chunk of the damaged file, as a machine with faulty memory would."""
    asset = hit.hit.asset
    opened = repository_get(asset.repository)
    record, _ = next(opened.manifest(snapshot_of(asset)).under(HIT))
    chunk = record.content.ids[:32]
    at = opened.chunks().index.find(chunk)
    stored = bytearray(hit.whole)
    place = memoryview(stored)[at.offset : at.offset + at.stored_size]
    cipher = opened.chunks().cipher
    plain = bytearray(cipher.open(place, chunk_id=chunk, location=at))
    plain[5] ^= 1
    cipher.seal_into(
        place, plain, chunk_id=chunk, type_=at.type, compression=at.compression, plain_size=at.plain_size
    )  # fmt: skip
    hit.path.write_bytes(stored)


def test_bytes_that_were_sealed_wrong_are_noticed_by_the_restore(hit: Hit, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are authentic, so that only the hash of the file tells: the sidecar finds it, and the worker which chunk."""
    if not hit.has_files:
        pytest.skip("an archive has no chunks")
    resealed(hit)
    (hit.world / "level.dat").write_bytes(b"live")
    readings = []
    for name in ("runs_read", "contents_read"):
        read = getattr(snapshot_restore, name)
        monkeypatch.setattr(
            snapshot_restore, name, lambda *args, _name=name, _read=read, **options: (
                readings.append(_name), _read(*args, **options)
            )[1],
        )  # fmt: skip
    code, params = hit.refused()

    assert readings == ["runs_read", "contents_read"]
    assert (code, params) == ("archive_damaged", {"files": 1, "paths": "level.dat"})
    assert hit.shown()[0]["degraded"]
    assert hit.restore(hit.hit, paths=(b"plugins",), mode="overlay").state == OperationState.SUCCEEDED
    assert hit.restore(hit.intact).state == OperationState.SUCCEEDED
    assert differences(hit.before, live_read(hit.world)) == []


@pytest.mark.parametrize("damage", FEW)
def test_a_download_that_meets_damage_breaks_off(hit: Hit, damage: str) -> None:
    hit.hurt(damage)
    with closing(client_of(hit.rented.owner).get(f"/api/v1/assets/{hit.hit.asset_id}/")) as answer:
        if answer.status_code == 200:
            with pytest.raises(ArchiveDamagedError):
                list(answer.streaming_content)
        else:
            assert (answer.status_code, answer.json()["code"]) == (409, "archive_damaged")
    assert hit.shown()[0]["degraded"]
