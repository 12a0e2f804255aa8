"""A restore that is cut off in its exchange, and cancelled before its progress is known."""

from __future__ import annotations

import contextlib

import pytest

from tests.processes.database import row_of
from tests.processes.portal import portal
from tests.processes.test_undo import everything
from tests.processes.waiting import wait_until

FILES = 4000
"""Enough names to exchange that the sidecar dies in the middle."""


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with portal(tmp_path_factory.mktemp("attacked") / "home", megabytes=1) as found:
        yield found


def test_cancel_while_the_sidecar_is_down_leaves_no_half_exchange(running):
    many = running.world / "many"
    many.mkdir()
    write(many, "as it was")
    backup = running.backup()
    whole = everything(running.world)
    write(many, "broken")

    restoring = running.api("POST", f"{running.backups}{backup['id']}/restore/", {"safety_backup": False}).json
    operation = restoring["operation"]["id"]
    wait_until(lambda: count(many, "as it was") > 0, seconds=60, what="the first names")
    running.kill("sidecar")
    assert running.api("POST", f"operations/{operation}/cancel/").status == 202
    # The first worker requeued it; the second waited for the sidecar in vain, and must not have ended it.
    again = wait_until(lambda: second_attempt(running.home, operation), seconds=60, what="the second attempt's end")
    assert again["state"] == "queued"

    running.restart("sidecar")
    assert running.ended(backup["id"])["operation"]["state"] == "succeeded"
    assert everything(running.world) == whole


def write(folder, text):
    for number in range(FILES):
        (folder / str(number)).write_text(f"{text} {number}")


def count(folder, text):
    """The number of three distant names with this text; a name that is being exchanged does not count."""
    held = 0
    for number in (0, FILES // 2, FILES - 1):
        with contextlib.suppress(FileNotFoundError):
            held += (folder / str(number)).read_text() == f"{text} {number}"
    return held


def second_attempt(home, operation):
    row = row_of(home, "operations_operation", operation)
    return row if row["fence"] > 1 and row["state"] != "running" else None
