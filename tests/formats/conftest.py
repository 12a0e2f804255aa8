"""A customer with a server, whose plan has each of the formats in turn."""

from __future__ import annotations

import pytest

from orders.models import BackupFormat, Plan
from repository.archive.object_keys import FORMATS
from tests.world.linked import Linked
from vault.models import StorageTarget

STORED = [("repository", "tar.gz"), *(("archive", str(name)) for name in FORMATS)]
"""The format of backups, and that of archives."""


@pytest.fixture(params=STORED[: len(BackupFormat)], ids="-".join)
def rented(request: pytest.FixtureRequest, linked: Linked) -> Linked:
    """A real sidecar, real storage, and a plan and a target of these formats."""
    backup_format, archive_format = request.param
    Plan.objects.update(backup_format=backup_format)
    StorageTarget.objects.update(archive_format=archive_format)
    linked.target.refresh_from_db()
    linked.order.plan.refresh_from_db()
    return linked
