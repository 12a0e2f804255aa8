"""Backups that stay away: the whole story with real processes, and rows that are moved into the past."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.processes.portal import portal
from tests.rehearsals.absence import Stage, play
from tests.rehearsals.outside import outside

GAP_MINUTES = 12
"""Longer than a heartbeat, a schedule and an alarm wait."""


@pytest.mark.timeout(600)
def test_worker_that_stood_still_is_told_and_its_backups_caught_up(tmp_path: Path) -> None:
    with outside(tmp_path) as around, portal(tmp_path / "home", settings=around.settings) as found:
        stage = Stage(
            client=found.client(),
            home=found.home,
            environ=dict(found.children["worker"].environ),
            order=found.order,
            provision=found.provision,
            outside=around,
            say=print,
        )
        play(
            stage,
            limit=2,
            minute=lambda: stage.rows(minutes=1),
            gap=lambda: stage.rows(minutes=GAP_MINUTES),
            mail_waits=lambda: stage.rows(minutes=GAP_MINUTES),
        )
