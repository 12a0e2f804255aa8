"""A customer with a server, whose plan has each of the formats in turn."""

from __future__ import annotations

import pytest

from orders.models import BackupFormat, Plan
from tests.world.linked import Linked


@pytest.fixture(params=[str(name) for name in BackupFormat])
def rented(request: pytest.FixtureRequest, linked: Linked) -> Linked:
    """A real sidecar, real storage, and a plan of that format."""
    Plan.objects.update(backup_format=request.param)
    linked.order.plan.refresh_from_db()
    return linked
