"""The main job through the real processes, on what the product runs on by default and on what a host would choose."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

import psycopg
import pytest

from config.demo.comparison import archive_compare
from tests.processes.portal import Portal, portal
from tests.services.postgres import PostgresServer
from tests.services.seaweedfs import S3Server


def download_compare(running: Portal, backup: dict[str, Any]) -> list[str]:
    with running.open(f"assets/{backup['asset_id']}/") as response:
        assert response.status == 200
        comparison = archive_compare(response, running.world)
    assert comparison.entries > 30
    return comparison.differences


def test_a_backup_is_downloaded_as_the_world_is(local_portal: Portal) -> None:
    assert download_compare(local_portal, local_portal.backup("by hand")) == []


@pytest.mark.parametrize("sealed", [True, False])
def test_postgresql_and_s3_carry_the_main_job(
    tmp_path: Path, postgres_server: PostgresServer, s3_server: S3Server, *, sealed: bool
) -> None:
    database = f"portal_{secrets.token_hex(4)}"
    with psycopg.connect(postgres_server.url, autocommit=True) as admin:
        admin.execute(f"create database {database}")
    url = postgres_server.url.rpartition("/")[0] + f"/{database}"
    with portal(tmp_path / "home", database_url=url, s3=s3_server, sealed=sealed) as running:
        assert download_compare(running, running.backup()) == []


def test_a_change_to_the_world_is_noticed_by_the_comparison(local_portal: Portal) -> None:
    backup = local_portal.backup()
    changed = local_portal.world / "server.properties"
    content, status = changed.read_bytes(), changed.stat()
    changed.write_bytes(content.replace(b"10", b"11"))
    differences = download_compare(local_portal, backup)
    changed.write_bytes(content)
    os.utime(changed, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert differences == ["'server.properties': has another time", "'server.properties': has other bytes"]


@pytest.mark.parametrize("name", ["sidecar", "web", "worker"])
def test_a_killed_process_works_again_once_it_is_started(local_portal: Portal, name: str) -> None:
    local_portal.kill(name)
    local_portal.restart(name)
    assert download_compare(local_portal, local_portal.backup()) == []
