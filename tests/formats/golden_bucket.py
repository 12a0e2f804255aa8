"""The bucket that a release has written: key copies, archives and a repository, to be kept as it is.

`python -m tests.formats.golden_bucket FOLDER` writes one in the formats of this release, through the product itself:
two backups of each format, of the two states of a small server. A bucket of an earlier release is never written again.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from random import Random

import django

MASTER_KEY = "1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
"""The key that opens the kept buckets; it protects nothing else."""
TIME_NS = 1_700_000_000_123_456_789
STATES = ("before", "after")


def world_first(root: Path) -> None:
    """A server with a file of each kind, the same on every machine."""
    random = Random(12)  # noqa: S311  # the same on every machine
    (root / "level.dat").write_bytes(random.randbytes(3000))
    (root / "region").mkdir()
    (root / "region/r.0.0.mca").write_bytes(b"chunks! " * 17_000 + random.randbytes(40_000))
    (root / "empty").mkdir()
    (root / "plugins").mkdir()
    (root / "plugins/config.yml").write_bytes(b"motd: hello\n")
    (root / "twin.dat").hardlink_to(root / "level.dat")
    (root / "latest").symlink_to("region/r.0.0.mca")
    (root / os.fsdecode(b"odd \xff\n name")).write_bytes(b"odd")
    with (root / "sparse.db").open("wb") as file:
        file.truncate(900_000)
        file.seek(400_000)
        file.write(b"in the middle")
    _dated(root)


def world_second(root: Path) -> None:
    """Change, remove and add files."""
    with (root / "region/r.0.0.mca").open("r+b") as file:
        file.seek(20_000)
        file.write(b"built a castle")
    (root / "latest").unlink()
    (root / "plugins/new.yml").write_bytes(b"new: true\n")
    _dated(root)


def _dated(root: Path) -> None:
    for number, path in enumerate([*sorted(root.rglob("*"), reverse=True), root]):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, ns=(0, TIME_NS + number), follow_symlinks=False)


def bucket_write(folder: Path) -> None:
    """Write a bucket into a folder that does not exist yet."""
    from django.conf import settings
    from django.test import override_settings

    from common.keyring import Keyring
    from orders.models import BackupFormat, Plan
    from tests.chaos.world import database_make
    from tests.world.linked import linked_rental

    with (
        tempfile.TemporaryDirectory() as name,
        override_settings(ENVIRONMENT=replace(settings.ENVIRONMENT, master_keys=Keyring.parse(MASTER_KEY))),
    ):
        database_make(Path(name) / "database.sqlite3")
        with linked_rental(Path(name)) as linked:
            (linked.daemon.world / "level.dat").unlink()
            for state, make in zip(STATES, (world_first, world_second), strict=True):
                make(linked.daemon.world)
                for backup_format in BackupFormat:
                    Plan.objects.update(backup_format=backup_format)
                    linked.backup(name=f"{backup_format} {state}")
            shutil.copytree(linked.root, folder, ignore=shutil.ignore_patterns(".partial"))


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    bucket_write(Path(sys.argv[1]))
