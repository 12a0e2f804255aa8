"""The name a backup gets when nobody names it."""

from __future__ import annotations

import re

import pytest

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("zone", ["Mars/Phobos", "../../etc/passwd", "Europe", "\x01"])
def test_a_time_zone_that_is_not_known_keeps_nobody_from_a_backup(rental, zone):
    rental.owner.time_zone = zone
    assert re.fullmatch(r"Backup \d{4}-\d\d-\d\d \d\d:\d\d", rental.create().name)
