"""Create, watch, download, compare, damage the world, restore, compare, delete: over REST, with the real parts."""

from __future__ import annotations

import hashlib
import io
import secrets
import tarfile
from pathlib import Path

import psycopg
import pytest

from demo.comparison import archive_differences, archive_read
from tests.processes.portal import portal
from tests.processes.waiting import wait_until

WORLDS = {
    "SQLite and a local folder": "archive",
    "PostgreSQL and S3": "archive",
    "a plain local folder": "archive",
    "snapshots in a local folder": "repository",
    "snapshots on PostgreSQL and S3": "repository",
}


@pytest.fixture(scope="module", params=list(WORLDS))
def running(request, tmp_path_factory):
    home, kept = tmp_path_factory.mktemp("main") / "home", WORLDS[request.param]
    if not request.param.endswith("PostgreSQL and S3"):
        with portal(home, sealed=not request.param.startswith("a plain"), backup_format=kept) as found:
            yield found
        return
    server = request.getfixturevalue("postgres_server")
    database = f"main_{secrets.token_hex(4)}"
    with psycopg.connect(server.url, autocommit=True) as admin:
        admin.execute(f"create database {database}")
    url = server.url.rpartition("/")[0] + f"/{database}"
    with portal(home, database_url=url, s3=request.getfixturevalue("s3_server"), backup_format=kept) as found:
        yield found


def downloaded(running, backup, **headers):
    with running.open(f"assets/{backup['asset_id']}/", **headers) as response:
        return response.status, response.read(), response.headers


def break_the_world(world: Path) -> None:
    """Damage the world as a griefer, a bad plugin and a full disk do."""
    properties = world / "server.properties"
    properties.write_bytes(b"motd=broken\n")
    region = next(world.rglob("*.mca"))
    region.write_bytes(region.read_bytes()[:5000])
    next(world.rglob("*.dat")).unlink()
    (world / "grief").mkdir()
    (world / "grief" / "lava.txt").write_text("everywhere")


def test_the_main_job(running):
    answer = running.api("POST", running.backups, {"name": "Before the update"})
    assert answer.status == 202
    assert (answer.json["status"], answer.json["name"]) == ("creating", "Before the update")
    assert answer.headers["Location"].endswith(f"{running.backups}{answer.json['id']}/")

    backup = running.ended(answer.json["id"])
    assert backup["operation"]["state"] == "succeeded"
    if backup["format"] == "repository":
        # The first whole download tells the size and the hash of all that follow.
        assert downloaded(running, backup)[0] == 200
        backup = running.api("GET", f"{running.backups}{backup['id']}/").json
    status, archive, headers = downloaded(running, backup)
    assert status == 200
    assert len(archive) == backup["size_bytes"] == int(headers["Content-Length"])
    assert hashlib.sha256(archive).hexdigest() == backup["sha256"]
    assert archive_differences(archive_read(io.BytesIO(archive)), running.world) == []
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        assert all(not name.startswith((".", "/")) for name in members.getnames())

    status, part, headers = downloaded(running, backup, Range="bytes=1000-1499")
    assert (status, part) == (206, archive[1000:1500])
    assert headers["Content-Range"] == f"bytes 1000-1499/{len(archive)}"

    break_the_world(running.world)
    assert archive_differences(archive_read(io.BytesIO(archive)), running.world) != []
    answer = running.api("POST", f"{running.backups}{backup['id']}/restore/", {})
    assert (answer.status, answer.json["status"]) == (202, "restoring")
    assert running.ended(backup["id"])["operation"]["kind"] == "restore"
    assert archive_differences(archive_read(io.BytesIO(archive)), running.world) == []
    assert not (running.world / ".savepoint").exists()

    assert running.api("DELETE", f"{running.backups}{backup['id']}/").status == 204
    assert running.api("GET", f"{running.backups}{backup['id']}/").status == 404
    assert running.api("GET", f"assets/{backup['asset_id']}/").status == 404
    assert backup["id"] not in [row["id"] for row in running.api("GET", running.backups).json["results"]]


def test_overlay_keeps_files_that_the_backup_lacks(running):
    backup = running.backup()
    kept = running.world / "kept.txt"
    kept.write_text("new since the backup")
    lost = next(running.world.rglob("*.json"))
    content = lost.read_bytes()
    lost.unlink()
    assert running.api("POST", f"{running.backups}{backup['id']}/restore/", {"mode": "overlay"}).status == 202
    running.ended(backup["id"])
    assert kept.read_text() == "new since the backup"
    assert lost.read_bytes() == content
    kept.unlink()


def test_limit_is_reported_and_a_delete_makes_room(running):
    for row in running.api("GET", running.backups).json["results"]:
        assert running.api("DELETE", f"{running.backups}{row['id']}/").status == 204
    made = [running.backup()["id"] for _ in range(10)]
    answer = running.api("POST", running.backups, {})
    assert (answer.status, answer.json["code"]) == (409, "limit_reached")
    assert "10" in answer.json["detail"]
    assert running.api("DELETE", f"{running.backups}{made[0]}/").status == 204
    running.backup()


@pytest.mark.parametrize("running", ["a plain local folder"], indirect=True)
def test_nothing_of_a_deleted_backup_stays_in_a_local_folder(running):
    storage = running.home / "storage"
    backup = running.api("GET", running.backups).json["results"][0]
    assert any(backup["id"] in path.name for path in storage.rglob("*"))
    assert running.api("DELETE", f"{running.backups}{backup['id']}/").status == 204
    wait_until(
        lambda: not any(backup["id"] in path.name for path in storage.rglob("*")), seconds=20, what="an empty folder"
    )
