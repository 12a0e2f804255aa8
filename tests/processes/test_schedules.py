"""A schedule of every minute with the real worker, which is all that is started: no other process fires it."""

from __future__ import annotations

import io
import sqlite3
from datetime import datetime, timedelta

import pytest

from demo.comparison import archive_differences, archive_read
from tests.processes.portal import portal
from tests.processes.waiting import wait_until

LATE = timedelta(seconds=90)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    home = tmp_path_factory.mktemp("schedules") / "home"
    with portal(home) as found:
        with sqlite3.connect(home / "savepoint.sqlite3") as database:
            database.execute("update orders_plan set shortest_interval_minutes = 1")
        yield found


def over(running, url):
    run = running.api("GET", url).json["last_run"]
    return run if run is not None and run["state"] != "running" else None


def test_every_minute_is_backed_up_by_the_worker_alone(running):
    url = f"orders/{running.order}/provisions/{running.provision}/schedules/"
    answer = running.api("POST", url, {"name": "Each minute", "cron": "* * * * *", "tags": ["auto"]})
    assert answer.status == 201, answer
    first = datetime.fromisoformat(answer.json["next_runs"][0])
    url += f"{answer.json['id']}/"
    last = wait_until(lambda: over(running, url), seconds=120, what="the first run of the schedule")
    assert last["state"] == "succeeded"
    assert datetime.fromisoformat(last["due_at"]) == first
    # The worker began to make runs at the first due time, and lost and doubled none since.
    runs = running.api("GET", f"{url}runs/").json["results"]
    assert runs[-1]["due_at"] == last["due_at"]
    assert len({run["due_at"] for run in runs}) == len(runs)
    begun = datetime.fromisoformat(runs[-1]["started_at"]) - datetime.fromisoformat(runs[-1]["starts_at"])
    assert timedelta(0) <= begun <= LATE
    assert running.api("PATCH", url, {"paused": True}).status == 200

    backup = running.ended(last["backup"])
    assert (backup["schedule"], backup["tags"]) == (answer.json["id"], ["auto"])
    with running.open(f"assets/{backup['asset_id']}/") as response:
        assert archive_differences(archive_read(io.BytesIO(response.read())), running.world) == []


def test_update_waits_for_the_backup_of_the_worker(running):
    answer = running.api("POST", f"orders/{running.order}/triggers/update/", {"wait_seconds": 120})
    assert (answer.status, answer.json["status"]) == (200, "ready")
