"""The demonstration: a backup through the API, downloaded, and compared with the world."""

from __future__ import annotations

import hashlib
import socket
import tarfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from demo.client import Client, Unreachable
from demo.comparison import Readable, Tree, archive_differences, archive_read
from demo.history import NIGHTLY
from demo.screen import MB, Screen
from demo.seed import Rented

PROOF_NAME = "First backup, by the demo"
POLL_SECONDS = 0.2
RETRY_SECONDS = 1.0
"""Between attempts that write: a token has fewer of them."""
ANSWER_SECONDS = 60.0
OPERATION_SECONDS = 600.0
LIVE = ("queued", "running")
SUCCEEDED = ("succeeded", "unchanged")
"""States of a run of a schedule that went well."""
PIECE_BYTES = 1 << 20


class ProofFailed(Exception):
    """The demonstration failed; the message gives the observation."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A customer whose server is backed up: API client, order, world and the socket of the sidecar."""

    client: Client
    rented: Rented
    data_root: Path
    listen: str

    @property
    def backups(self) -> str:
        """The path of the server's backups."""
        return f"orders/{self.rented.order}/provisions/{self.rented.provision}/backups/"

    @property
    def schedules(self) -> str:
        """The path of the server's schedules."""
        return f"orders/{self.rented.order}/provisions/{self.rented.provision}/schedules/"


def proof_run(subjects: Sequence[Subject], *, screen: Screen) -> None:
    """Wait until all answers, then back up each server that has room for one more, and compare.

    Returns when every byte was right and nothing is active. Raises ProofFailed.
    """
    _wait(lambda: _answering(subjects), "Not everything answered", seconds=ANSWER_SECONDS)
    screen.say("Everything answers. The main job, through the API:")
    for subject in subjects:
        _earlier_proofs_delete(subject)
        begun = _begin(subject)
        if begun is None:
            _stored_proof(subject, screen)
        else:
            _proof(subject, begun, screen)
            for schedule in _schedules(subject):
                _schedule_run(subject, schedule, screen)
    _wait(lambda: _nothing_active(subjects), "Operations did not end", seconds=OPERATION_SECONDS)


def _proof(subject: Subject, backup: dict[str, Any], screen: Screen) -> None:
    """Watch a backup until it is ready, download it, and compare it with the world."""
    screen.say(f"  POST {subject.backups} ({backup['format']})")
    ready = _watch(subject, backup, screen)
    began = time.monotonic()
    archive = _download(subject, ready)
    if found := archive_differences(archive, subject.data_root):
        raise ProofFailed("The archive is not the world:\n  " + "\n  ".join(found))
    content_bytes = sum(entry.size for path, entry in archive.items() if entry.first == path)
    screen.say(
        f"  downloaded and compared in {time.monotonic() - began:.1f} s: {len(archive)} entries, "
        f"{content_bytes / MB:.1f} MB; every name, byte, mode, time and link is right"
    )


def _wait(condition: Callable[[], bool], complaint: str, *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    reason = ""
    while time.monotonic() < deadline:
        try:
            if condition():
                return
        except (Unreachable, OSError) as error:
            reason = f": {error}"
        time.sleep(POLL_SECONDS)
    raise ProofFailed(f"{complaint} within {seconds:.0f} s{reason}.")


def _answering(subjects: Sequence[Subject]) -> bool:
    """True, or raises Unreachable or OSError with the first that does not answer."""
    health = subjects[0].client.call("GET", "/healthz")
    if health.status != HTTPStatus.OK:
        raise Unreachable(" ".join(health.json["reasons"]))
    for subject in subjects:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(subject.listen.removeprefix("unix:"))
        listing = subject.client.call("GET", subject.backups)
        if listing.status != HTTPStatus.OK:
            raise Unreachable(f"GET {subject.backups} is answered with {listing.status}")
    return True


def _earlier_proofs_delete(subject: Subject) -> None:
    """The backup of the last start is deleted, unless its owner renamed or locked it."""
    for backup in _backups(subject):
        if backup["name"] == PROOF_NAME and not backup["locked"]:
            subject.client.call("DELETE", f"{subject.backups}{backup['id']}/")


def _backups(subject: Subject) -> Iterator[dict[str, Any]]:
    path: str | None = subject.backups
    while path:
        page = subject.client.call("GET", path).json
        yield from page["results"]
        path = page["next"] and page["next"].removeprefix(subject.client.url)


def _stored_proof(subject: Subject, screen: Screen) -> None:
    """The plan has no room and every backup belongs to a user: read the newest one to its end instead of making one."""
    newest = next(backup for backup in _backups(subject) if backup["status"] == "ready")
    with subject.client.open("GET", f"assets/{newest['asset_id']}/") as response:
        archive = _Counted(response)
        while archive.read(PIECE_BYTES):
            """To the end."""
    _checksum_check(subject, archive, newest)
    screen.say(f"  the plan is full, so no new backup was made; “{newest['name']}” was downloaded and is whole")


def _begin(subject: Subject) -> dict[str, Any] | None:
    """Start a backup, or return None when the plan has no room for one.

    Waits for a backup that a killed demo left running.
    """
    deadline = time.monotonic() + OPERATION_SECONDS
    while time.monotonic() < deadline:
        answer = subject.client.call("POST", subject.backups, {"name": PROOF_NAME})
        if answer.status == HTTPStatus.ACCEPTED:
            begun: dict[str, Any] = answer.json
            return begun
        if answer.json["code"] == "limit_reached":
            return None
        if answer.json["code"] != "operation_in_progress":
            raise ProofFailed(f"No backup could be started: {answer.json['detail']}")
        time.sleep(RETRY_SECONDS)  # another client's operation is on its way
    raise ProofFailed(f"No backup could be started within {OPERATION_SECONDS:.0f} s.")


def _watch(subject: Subject, backup: dict[str, Any], screen: Screen) -> dict[str, Any]:
    """Show its progress until it is ready; return it then."""
    began = time.monotonic()
    while time.monotonic() - began < OPERATION_SECONDS:
        with suppress(Unreachable):
            backup = subject.client.call("GET", f"{subject.backups}{backup['id']}/").json
        operation = backup["operation"]
        screen.progress(done=operation["bytes_done"], total=operation["bytes_total"], rate=operation["rate"])
        if backup["status"] == "ready":
            screen.say(f"  ready in {time.monotonic() - began:.1f} s: {backup['size_bytes'] / MB:.1f} MB")
            return backup
        if backup["status"] == "failed":
            raise ProofFailed(f"The backup failed: {operation['error']['detail']}")
        time.sleep(POLL_SECONDS)
    raise ProofFailed(f"The backup was not ready within {OPERATION_SECONDS:.0f} s.")


def _schedules(subject: Subject) -> list[dict[str, Any]]:
    """The schedules of the server that the demo made: those of its owner may run every minute, or be paused."""
    found = subject.client.call("GET", subject.schedules).json["results"]
    return [schedule for schedule in found if schedule["name"] == NIGHTLY.name and not schedule["paused"]]


def _schedule_run(subject: Subject, schedule: dict[str, Any], screen: Screen) -> None:
    """Run a schedule now, and see that the order is protected.

    It makes a backup only if something has changed, as a world that was made a minute ago has. That backup goes again.
    """
    path = f"{subject.schedules}{schedule['id']}/"
    answer = subject.client.call("POST", f"{path}run/")
    if answer.status != HTTPStatus.ACCEPTED:
        raise ProofFailed(f"The schedule “{schedule['name']}” did not run: {answer.json['detail']}")
    _wait(
        lambda: subject.client.call("GET", path).json["last_run"]["state"] in SUCCEEDED,
        f"The run of the schedule “{schedule['name']}” did not succeed",
        seconds=OPERATION_SECONDS,
    )
    if made := subject.client.call("GET", path).json["last_run"]["backup"]:
        subject.client.call("DELETE", f"{subject.backups}{made}/")
    found = subject.client.call("GET", f"orders/{subject.rented.order}/protection/").json
    if found["state"] != "protected":
        raise ProofFailed(found["sentence"])
    screen.say(f"  the schedule “{schedule['name']}” ran: {schedule['sentence']}. {found['sentence']}")


def _download(subject: Subject, backup: dict[str, Any]) -> Tree:
    with subject.client.open("GET", f"assets/{backup['asset_id']}/") as response:
        if response.status != HTTPStatus.OK:
            raise ProofFailed(f"The download was answered with {response.status}.")
        archive = _Counted(response)
        try:
            tree = archive_read(archive)
        except (tarfile.TarError, EOFError, zlib.error) as error:
            raise ProofFailed(f"The download is no whole archive: {error}") from error
        while archive.read(PIECE_BYTES):
            """To the end: bytes after the archive count for the checksum."""
    _checksum_check(subject, archive, backup)
    return tree


def _checksum_check(subject: Subject, archive: _Counted, backup: dict[str, Any]) -> None:
    # Of a snapshot they are known once its download was made whole: that was just now.
    said = subject.client.call("GET", f"{subject.backups}{backup['id']}/").json
    if (archive.size, archive.sha256.hexdigest()) != (said["size_bytes"], said["sha256"]):
        raise ProofFailed("The download has another size or checksum than the backup says.")


class _Counted:
    """Counts and hashes the bytes read through it."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self.size = 0
        self.sha256 = hashlib.sha256()

    def read(self, size: int, /) -> bytes:
        piece = self._source.read(size)
        self.size += len(piece)
        self.sha256.update(piece)
        return piece


def _nothing_active(subjects: Sequence[Subject]) -> bool:
    operations = [backup["operation"] for subject in subjects for backup in _backups(subject)]
    return not any(operation and operation["state"] in LIVE for operation in operations)
