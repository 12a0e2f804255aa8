"""Backups that the real portal stored through a real sidecar, opened without the portal."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.opener.places import opened
from tests.world.reconciled import World

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("archive_format", ["tar.gz", "tar.zst"])
@pytest.mark.parametrize("sealed", [True, False])
def test_a_backup_of_the_portal_comes_out(
    archive_format: str, reconciled: World, tmp_path: Path, *, sealed: bool
) -> None:
    reconciled.target.sealed = sealed
    reconciled.target.archive_format = archive_format
    reconciled.target.save()
    backup = reconciled.backup(name="Before the fire")
    (tmp_path / "keys").write_text(os.environ["SAVEPOINT_MASTER_KEYS"])
    words = ("--folder", reconciled.root, "--master-keys", tmp_path / "keys")

    assert "Server / World / Before the fire  ok" in opened("list", *words).out
    assert opened("verify", *words).out == f"{backup.id}  ok\n"
    assert opened("extract", *words, str(backup.id)[:9], "--to", tmp_path).code == 0
    archive = tmp_path / f"backup-{backup.id}.{archive_format}"
    level = subprocess.run(["tar", "-xOf", archive, "level.dat"], check=True, capture_output=True).stdout
    assert level == b"level" * 1000
