"""The portal's own disk is full or read-only: reads work, writes report it, and the portal recovers by itself."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.full_disks.volumes import BALLAST, files, fill, read_only, small_volume
from tests.processes.portal import Portal, portal
from tests.processes.test_dependencies_away import ask, form
from tests.processes.test_portal import download_compare
from tests.processes.tree import processes_of
from tests.processes.waiting import wait_until

RECOVERED_SECONDS = 60
ADDRESSES = {"login": "nobody", "password": "nothing"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """A portal whose home, with database, mails and storage, is one small volume."""
    folder = tmp_path_factory.mktemp("disk")
    with (
        small_volume(folder / "home", 64) as home,
        portal(home, logs=folder / "logs", workers=1, megabytes=1) as found,
    ):
        yield found


@contextmanager
def full(home: Path) -> Iterator[None]:
    """Fill the volume completely for the block."""
    fill(home)
    try:
        with (home / BALLAST).open("ab", buffering=0) as rest, suppress(OSError):
            while True:
                rest.write(bytes(4096))
        assert os.statvfs(home).f_bavail == 0
        yield
    finally:
        (home / BALLAST).unlink()


def signed_in(running: Portal) -> dict[str, str]:
    """The cookie of a signed-in customer."""
    user = running.users["customer"]
    sent = form(running, "/accounts/login/", login=user["username"], password=user["password"])
    status, headers, _ = ask(running, "POST", "/accounts/login/", **sent)  # type: ignore[arg-type]
    assert status == 302
    (session,) = re.findall(r"(savepoint=[^;]+)", headers["set-cookie"])
    return {"Cookie": session}


def told(reply: tuple[int, dict[str, str], str]) -> None:
    """Check for a 503 that names the portal's disk, in the format that the client accepts."""
    status, headers, text = reply
    assert (status, headers["retry-after"]) == (503, "10"), reply
    assert not re.search("sqlite|database|Traceback", text), text
    if headers["content-type"] == "application/problem+json":
        assert json.loads(text)["code"] == "portal_disk_unwritable"
    assert "disk takes nothing more" in text


def refuses_writes_and_serves_reads(running: Portal, backup: dict[str, str], cookie: dict[str, str]) -> None:
    """Check that every kind of write is refused with the reason and has no effect, and every kind of read works."""
    bearer = {"Authorization": f"Bearer {running.token}"}
    path = f"/api/v1/{running.backups}"
    before = listed(running), files(running.home / "storage")
    sent = {**bearer, "Content-Type": "application/json"}
    for method, at, body in (
        ("POST", path, "{}"),
        ("POST", f"{path}{backup['id']}/restore/", "{}"),
        ("PATCH", f"{path}{backup['id']}/", '{"name": "other"}'),
        ("DELETE", f"{path}{backup['id']}/", ""),
    ):
        told(ask(running, method, at, body=body, **(sent if body else bearer)))
    for at, fields in (("/accounts/login/", ADDRESSES), ("/accounts/password/reset/", {"email": "a@example.com"})):
        told(ask(running, "POST", at, **form(running, at, **fields)))  # type: ignore[arg-type]
    assert (listed(running), files(running.home / "storage")) == before

    assert ask(running, "GET", f"/orders/{running.order}/backups/", **cookie)[0] == 200
    assert ask(running, "GET", "/accounts/login/")[0] == 200
    assert running.api("GET", f"{running.backups}{backup['id']}/").json["name"] == backup["name"]
    assert ask(running, "GET", "/livez")[0] == 200
    assert download_compare(running, backup) == []
    log = running.children["web"].last_words(4000)
    assert "portal_disk_unwritable" in log
    assert "Traceback" not in log


def listed(running: Portal) -> object:
    return running.api("GET", running.backups).json["results"]


def works_again(running: Portal) -> None:
    """Check that backups can be created, and deleted with all their objects."""
    backup = running.backup()
    assert download_compare(running, backup) == []
    assert running.api("DELETE", f"{running.backups}{backup['id']}/").status == 204


def test_full_disk_refuses_writes_in_words_and_recovers(running: Portal) -> None:
    backup, cookie = running.backup(), signed_in(running)
    with full(running.home):
        refuses_writes_and_serves_reads(running, backup, cookie)
        wait_until(lambda: ask(running, "GET", "/healthz")[0] == 503, seconds=90, what="the health check notices")
    wait_until(lambda: ask(running, "GET", "/healthz")[0] == 200, seconds=RECOVERED_SECONDS, what="all is well again")
    works_again(running)


def test_disk_that_fills_up_under_a_running_backup_leaves_nothing_of_it(running: Portal) -> None:
    running.kill("sidecar", signal.SIGSTOP)
    try:
        backup = running.api("POST", running.backups, {}).json["id"]
        path = f"{running.backups}{backup}/"
        wait_until(lambda: running.api("GET", path).json["operation"]["state"] == "running", seconds=30, what="a claim")
        log = running.children["worker"].log
        before = log.stat().st_size
        with full(running.home):
            running.kill("sidecar", signal.SIGCONT)
            wait_until(
                lambda: b"is full" in log.read_bytes()[before:], seconds=60, what="the worker meets the full disk"
            )
    finally:
        running.kill("sidecar", signal.SIGCONT)
    ended = running.ended(backup, status=None, seconds=120)
    if ended["status"] == "ready":
        assert download_compare(running, ended) == []
    assert running.api("DELETE", path).status == 204
    works_again(running)
    wait_until(
        lambda: not [name for name in files(running.home / "storage") if backup in name],
        seconds=RECOVERED_SECONDS,
        what="nothing of it is stored",
    )


def test_read_only_disk_refuses_writes_in_words_and_recovers(running: Portal) -> None:
    """Simulates a machine that comes back with disk errors."""
    backup, cookie = running.backup(), signed_in(running)
    running.kill("worker")
    running.kill("web")
    wait_until(
        lambda: not [line for line in processes_of(running.home).values() if "qcluster" in line],
        seconds=RECOVERED_SECONDS,
        what="the end of the orphaned workers",
    )
    with read_only(running.home):
        running.children["web"].start()
        wait_until(lambda: answers(running), seconds=60, what="the web server answers")
        refuses_writes_and_serves_reads(running, backup, cookie)
    running.children["worker"].start()
    running.wait_ready()
    works_again(running)


def answers(running: Portal) -> bool:
    try:
        return ask(running, "GET", "/livez")[0] == 200
    except OSError:
        return False
