"""The name of a backup that was created without one."""

from __future__ import annotations

import re

import pytest

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("zone", ["Mars/Phobos", "../../etc/passwd", "Europe", "\x01"])
def test_unknown_time_zone_does_not_prevent_a_backup(rental, zone):
    rental.owner.time_zone = zone
    assert re.fullmatch(r"Backup \d{4}-\d\d-\d\d \d\d:\d\d", rental.create().name)
