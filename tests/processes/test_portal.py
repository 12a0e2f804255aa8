"""The tools of the process tests themselves: the comparison finds differences, and killed processes come back."""

from __future__ import annotations

import os
from typing import Any

import pytest

from demo.comparison import archive_differences, archive_read
from tests.processes.portal import Portal


def download_compare(running: Portal, backup: dict[str, Any]) -> list[str]:
    with running.open(f"assets/{backup['asset_id']}/") as response:
        assert response.status == 200
        archive = archive_read(response)
    assert len(archive) > 30
    return archive_differences(archive, running.world)


def test_a_change_to_the_world_is_noticed_by_the_comparison(local_portal: Portal) -> None:
    backup = local_portal.backup()
    changed = local_portal.world / "server.properties"
    content, status = changed.read_bytes(), changed.stat()
    changed.write_bytes(content.replace(b"10", b"11"))
    differences = download_compare(local_portal, backup)
    changed.write_bytes(content)
    os.utime(changed, ns=(status.st_atime_ns, status.st_mtime_ns))
    (difference,) = differences
    assert "server.properties" in difference
    assert "mtime_ns" in difference
    assert "content" in difference


@pytest.mark.parametrize("name", ["sidecar", "web", "worker"])
def test_a_killed_process_works_again_once_it_is_started(local_portal: Portal, name: str) -> None:
    local_portal.kill(name)
    local_portal.restart(name)
    assert download_compare(local_portal, local_portal.backup()) == []
