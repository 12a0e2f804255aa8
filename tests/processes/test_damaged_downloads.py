"""Archives changed in storage: no download completes with wrong bytes, and the backup is marked as damaged."""

from __future__ import annotations

import os
from http.client import IncompleteRead
from pathlib import Path
from typing import Any

import pytest

from tests.processes.portal import Portal, portal

BIG = 10 << 20
"""Several pieces of a download, however well the rest of the world compresses."""


@pytest.fixture(scope="module", params=["plain", "sealed"])
def running(request, tmp_path_factory):
    with portal(tmp_path_factory.mktemp("damaged") / "home", sealed=request.param == "sealed") as found:
        (found.world / "big.bin").write_bytes(os.urandom(BIG))
        yield found


def stored_path(running: Portal, backup: dict[str, Any]) -> Path:
    (path,) = [path for path in (running.home / "storage").rglob(f"{backup['id']}.*") if path.suffix == ".gz"]
    return path


def tampered(running: Portal, backup: dict[str, Any], *, where: float) -> None:
    """Flip a bit; the size stays."""
    path = stored_path(running, backup)
    content = bytearray(path.read_bytes())
    content[min(len(content) - 1, int(len(content) * where))] ^= 1
    path.write_bytes(content)


def received(running: Portal, backup: dict[str, Any], **headers: str) -> tuple[int, bytes, bool]:
    """Status, bytes, and whether the body is as long as announced."""
    with running.open(f"assets/{backup['asset_id']}/", **headers) as response:
        try:
            return response.status, response.read(), True
        except IncompleteRead as cut:
            return response.status, cut.partial, False


def shown(running: Portal, backup: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = running.api("GET", f"{running.backups}{backup['id']}/").json
    return found


@pytest.mark.parametrize("where", [0.3, 0.9, 1.0])
def test_tampered_download_breaks_off_and_marks_the_backup(running, where):
    backup = running.backup()
    status, whole, complete = received(running, backup)
    assert (status, len(whole), complete) == (200, backup["size_bytes"], True)
    tampered(running, backup, where=where)
    status, got, complete = received(running, backup)
    assert (status, complete) == (200, False)
    assert len(got) < backup["size_bytes"]
    after = shown(running, backup)
    assert (after["status"], after["degraded"]) == ("ready", True)
    assert "damaged" in after["caution"]
    # Resume the rest as a download manager does. A sealed part that opens equals the stored one.
    sealed = stored_path(running, backup).stat().st_size > backup["size_bytes"]
    rest = running.api("GET", f"assets/{backup['asset_id']}/", headers={"Range": f"bytes={backup['size_bytes'] - 9}-"})
    refused = not sealed or where == 1.0
    assert rest.status == (409 if refused else 206)
    assert not refused or rest.json["code"] == "archive_damaged"
    running.api("DELETE", f"{running.backups}{backup['id']}/")


def test_restore_that_ends_damaged_marks_the_backup(running):
    backup = running.backup()
    tampered(running, backup, where=0.5)
    running.api("POST", f"{running.backups}{backup['id']}/restore/", {"safety_backup": False})
    after = running.ended(backup["id"])
    assert after["operation"]["error"]["code"] == "archive_damaged"
    assert (after["status"], after["degraded"]) == ("ready", True)
    tampered(running, backup, where=0.5)
    running.api("POST", f"{running.backups}{backup['id']}/restore/", {"safety_backup": False})
    again = running.ended(backup["id"])
    assert (again["operation"]["state"], again["degraded"], again["caution"]) == ("succeeded", False, None)
