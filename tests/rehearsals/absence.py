"""Backups that stay away, for a portal of real processes: a worker stands still, and everybody is told.

`python -m tests.rehearsals.absence [MINUTES]` plays it with the demo and the real clock, which takes half an hour, and
prints when it saw what. The suite plays it with a portal whose rows are moved into the past.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from demo.client import ApiAnswer, Client
from tests.processes.database import database_free
from tests.processes.portal import seed_run
from tests.processes.tree import processes_of
from tests.processes.waiting import wait_until
from tests.rehearsals.outside import Outside, outside

DEMO_SECONDS = 300.0
STOPS_MAX = 20
LIMIT = 3
"""The backups that the demo's plan keeps, for the rehearsal."""
RUN_SECONDS, ROTATED_SECONDS = 300.0, 900.0
NOTICED_SECONDS = 120.0
OVERDUE_SECONDS = 400.0
GAP_LEAST = timedelta(minutes=5)
"""The standstill is longer, and no other pause of the story is."""
MINUTE_SECONDS = 15.0
"""Longer than a tick."""
DIGEST_SECONDS = 900.0
"""A second mail to the same reader waits for ten minutes, to tell of more than one event."""


@dataclass
class Stage:
    """A portal, a customer's order, and the world outside. say: takes each step of the story with its time.

    past: the number of webhook messages that tell of what was before the story.
    """

    client: Client
    home: Path
    environ: dict[str, str]
    order: str
    provision: str
    outside: Outside
    say: Callable[[str], None]
    secret: str = ""
    past: int = 0
    schedule: dict[str, Any] = field(default_factory=dict)

    @property
    def server_path(self) -> str:
        """The path of the server below the API."""
        return f"orders/{self.order}/provisions/{self.provision}/"

    def call(self, method: str, path: str, body: object = None, *, status: int = 200) -> Any:
        """The JSON of an answer with that status."""
        answer: ApiAnswer = self.client.call(method, path, body)
        assert answer.status == status, (method, path, answer)
        return answer.json

    def backups(self) -> list[dict[str, Any]]:
        """The backups of the server, the newest first."""
        found: list[dict[str, Any]] = self.call("GET", f"{self.server_path}backups/")["results"]
        return found

    def ready(self) -> list[dict[str, Any]]:
        """Those of them that are ready."""
        return [backup for backup in self.backups() if backup["status"] == "ready"]

    def of_schedule(self) -> list[dict[str, Any]]:
        """The ready backups that the schedule made."""
        return [backup for backup in self.ready() if backup["schedule"] == self.schedule["id"]]

    def hooks(self) -> list[str]:
        """The types of the webhook messages that came, each with a right signature, without those of the past."""
        return self.outside.hooks(self.secret)[self.past :]

    def protection(self) -> dict[str, Any]:
        """The protection of the order."""
        found: dict[str, Any] = self.call("GET", f"orders/{self.order}/protection/")
        return found

    def health(self) -> tuple[int, list[str]]:
        """The status of `/healthz`, and its reasons."""
        answer = self.client.call("GET", "/healthz")
        return answer.status, answer.json["reasons"]

    def rows(self, **options: Any) -> Any:
        """Change or read rows as `tests.rehearsals.rows` says."""
        return seed_run(self.environ, options, module="tests.rehearsals.rows")

    def workers_stop(self) -> int:
        """Stop the supervisor and its cluster while they do nothing and none holds the database; return how many."""

        def at_work() -> bool:
            return bool(self.protection()["days"][-1]["state"] == "running")

        for _ in range(STOPS_MAX):
            wait_until(lambda: not at_work(), seconds=NOTICED_SECONDS, what="no backup is being made")
            stopped = self.workers_signal(signal.SIGSTOP)
            if database_free(self.home) and not at_work():
                return stopped
            self.workers_signal(signal.SIGCONT)
        raise AssertionError("a stopped process was at work each time")

    def workers_signal(self, number: signal.Signals) -> int:
        """Send a signal to the supervisor and its cluster; return how many processes got it."""
        lines = processes_of(self.home).items()
        sent = 0
        for pid in sorted(pid for pid, line in lines if "manage.py worker" in line or "qcluster" in line):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
                sent += 1
        return sent


def play(
    stage: Stage,
    *,
    limit: int,
    gap: Callable[[], None],
    minute: Callable[[], None] = lambda: None,
    mail_waits: Callable[[], None] = lambda: None,
) -> None:
    """Play all of it. limit: of the plan. gap: lets the time pass in which nobody works; minute: that between two runs
    of the schedule; mail_waits: that between two mails to one reader.
    """
    stage.rows(plan={"backup_limit": limit, "shortest_interval_minutes": 1})
    _begin(stage)
    _rotated(stage, limit=limit, minute=minute)
    pings = stage.outside.pings()
    assert pings > 0
    before = {backup["id"] for backup in stage.backups()}
    stopped = stage.workers_stop()
    assert stopped > 1
    stage.say(f"{stopped} processes of the worker stand still; {pings} heartbeats had come")
    try:
        gap()
        _missing(stage)
        assert {backup["id"] for backup in stage.backups()} == before
        # One may have been on its way.
        assert stage.outside.pings() <= pings + 1
    finally:
        stage.workers_signal(signal.SIGCONT)
    stage.say("the worker goes on; no heartbeat came meanwhile")
    _alarmed(stage)
    _cleared(stage)
    _mailed(stage, mail_waits)


def _begin(stage: Stage) -> None:
    """A webhook, and a schedule that runs every minute."""
    hook = {"url": stage.outside.hook, "events": ["backup.absent", "backup.recovered", "backup.failed"]}
    stage.secret = stage.call("POST", f"orders/{stage.order}/webhooks/", hook, status=201)["secret"]
    stage.schedule = stage.call(
        "POST", f"{stage.server_path}schedules/", {"name": "Each minute", "cron": "* * * * *"}, status=201
    )
    stage.say(f"a schedule: {stage.schedule['sentence']}")


def _rotated(stage: Stage, *, limit: int, minute: Callable[[], None]) -> None:
    """Backups of the schedule fill the plan, and a further one takes the place of the oldest that is not locked."""
    seen: list[str] = []

    def another() -> bool:
        seen.extend(made["id"] for made in reversed(stage.of_schedule()) if made["id"] not in seen)
        return len(seen) > known

    while len(seen) <= limit:
        known = len(seen)
        wait_until(another, seconds=RUN_SECONDS, what="the next backup of the schedule")
        if known == 0:
            stage.call("PATCH", f"{stage.server_path}backups/{seen[0]}/", {"locked": True})
        minute()
    asked = time.monotonic()

    def rotated() -> bool:
        nonlocal asked
        if time.monotonic() > asked + MINUTE_SECONDS:
            minute()
            asked = time.monotonic()
        return len(stage.ready()) <= limit

    wait_until(rotated, seconds=ROTATED_SECONDS, what="the rotation")
    kept = {backup["id"] for backup in stage.ready()}
    assert seen[0] in kept
    assert set(seen) - kept
    stage.say(f"{len(seen)} backups by the schedule; {len(kept)} backups are kept, the locked one among them")
    wait_until(lambda: stage.protection()["state"] == "protected", seconds=RUN_SECONDS, what="the order is protected")
    # The made-up past of the demo ends with a failure, which the first backup clears.
    early = stage.hooks()
    assert early in ([], ["backup.recovered"]), early
    stage.past = len(early)
    stage.say(stage.protection()["sentence"])


def _missing(stage: Stage) -> None:
    """Health, sentence and strip say that a backup is missing, with nobody at work."""

    def failing() -> list[str]:
        status, reasons = stage.health()
        assert status in (200, 503)
        return reasons

    def at_risk() -> dict[str, Any] | None:
        found = stage.protection()
        return found if found["state"] == "at_risk" else None

    reasons = wait_until(failing, seconds=NOTICED_SECONDS, what="/healthz fails")
    stage.say(f"/healthz answers 503: {' '.join(reasons)}")
    found = wait_until(at_risk, seconds=OVERDUE_SECONDS, what="the order is at risk")
    assert found["days"][-1]["state"] == "overdue", found["days"][-1]
    stage.say(f"the strip shows today as overdue. {found['sentence']}")


def _alarmed(stage: Stage) -> None:
    wait_until(lambda: "backup.absent" in stage.hooks(), seconds=NOTICED_SECONDS, what="the webhook of the alarm")
    stage.say("the alarm: a signed webhook backup.absent arrived")


def _cleared(stage: Stage) -> None:
    """One run caught up with the whole gap, and all is well."""
    wait_until(lambda: "backup.recovered" in stage.hooks(), seconds=RUN_SECONDS, what="the webhook of the all-clear")
    wait_until(lambda: stage.protection()["state"] == "protected", seconds=RUN_SECONDS, what="the order is protected")
    wait_until(lambda: not stage.health()[1], seconds=NOTICED_SECONDS, what="/healthz is well again")
    assert stage.hooks() == ["backup.absent", "backup.recovered"]
    found = stage.protection()
    assert found["days"][-1]["state"] in ("ok", "running"), found["days"][-1]
    told = stage.rows(schedule=stage.schedule["id"])
    times = [(datetime.fromisoformat(run["due_since"] or run["due_at"]), datetime.fromisoformat(run["due_at"]))
             for run in told["runs"]]  # fmt: skip
    long = [(since, due) for since, due in times if due - since > GAP_LEAST]
    assert len(long) == 1, times
    since, due = long[0]
    assert [other for _since, other in times if since <= other < due] == []
    # One that comes while the run before it waits is skipped.
    assert [run for run in told["runs"] if run["state"] == "failed"] == []
    assert told["alarms"] == ["backup.absent", "backup.present"]
    assert sorted(set(told["inbox"]) & {"backup.absent", "backup.recovered"}) == ["backup.absent", "backup.recovered"]
    stage.say(f"one run for all that was due from {since:%H:%M} to {due:%H:%M}, and none between")
    stage.say(f"backup.recovered arrived, inbox: {', '.join(told['inbox'])}. {found['sentence']}")


def _mailed(stage: Stage, mail_waits: Callable[[], None]) -> None:
    """The alarm came by mail, and the all-clear, in one mail or in two."""

    def says(title: str) -> Callable[[], bool]:
        return lambda: any(title in mail.get_body(["plain"]).get_content() for mail in stage.outside.mails())

    for title in ("Good backup overdue", "Backups succeed again"):
        mail_waits()
        wait_until(says(title), seconds=DIGEST_SECONDS, what=f"the mail: {title}")
        stage.say(f"a mail says: {title}")


def main() -> None:
    """Play it with the demo, by the real clock."""
    from tests.processes.test_demo import demo_ready

    parser = argparse.ArgumentParser(prog="python -m tests.rehearsals.absence", description=__doc__)
    parser.add_argument("minutes", type=int, nargs="?", default=10, help="for which the worker stands still")
    minutes: int = parser.parse_args().minutes
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{datetime.now(UTC):%H:%M:%S} {time.monotonic() - began:7.1f} s  {text}", flush=True)  # noqa: T201  # the story

    with tempfile.TemporaryDirectory(prefix="savepoint-rehearsal-") as folder, outside(Path(folder)) as around:
        home = Path(folder) / "home"
        home.mkdir()
        with demo_ready(home, seconds=DEMO_SECONDS, **around.settings):
            say("the demo is ready")
            found = json.loads((home / "demo.json").read_text())
            stage = Stage(
                client=Client(found["url"], found["users"]["customer"]["token"]),
                home=home,
                environ={"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "config.settings",
                         "SAVEPOINT_HOME": str(home), "SAVEPOINT_PORT": found["url"].rpartition(":")[2],
                         **around.settings},
                order=found["order"],
                provision=found["provision"],
                outside=around,
                say=say,
            )  # fmt: skip
            play(stage, limit=LIMIT, gap=lambda: time.sleep(60 * minutes))
        say("done")


if __name__ == "__main__":
    main()
