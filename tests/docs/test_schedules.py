"""The page on schedules says what the code does, and its examples run."""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import Any

import pytest

from accounts.services.tokens import token_create
from operations.supervision.supervisor import TICK_SECONDS
from orders.retention import RULES
from schedules.api.serializers import RunSerializer, ScheduleCreateFields
from schedules.cron import cron_parse
from schedules.models import RunState, Schedule
from schedules.rules import NAME_PARTS
from schedules.services.due import SMEAR_SECONDS, SMEAR_SHARE
from schedules.services.runs import KEPT
from tests.docs.pages import ROOT, examples
from tests.services.require import program_require
from tests.world.rental import Rental

PAGE = (ROOT / "docs/schedules.md").read_text()
WORDS = " ".join(PAGE.split())


def example(language: str) -> Any:
    (found,) = [one for one in examples() if (one.page, one.language) == ("docs/schedules.md", language)]
    return found


def first_column(heading: str) -> set[str]:
    """The names in the first column of the table with this heading."""
    return set(re.findall(r"^\| `(\w+)` \|", PAGE.split(heading)[1].split("\n\n")[0], re.MULTILINE))


def test_fields_of_the_page_are_those_of_the_api() -> None:
    assert first_column("| field | meaning |") == set(ScheduleCreateFields().fields)
    assert all(f"`{rule}`" in PAGE for rule in RULES)
    assert all(f"`{{{part}}}`" in PAGE for part in NAME_PARTS)


def test_states_of_the_page_are_those_of_the_code() -> None:
    assert first_column("| state | meaning |") == set(RunState.values)
    assert set(json.loads(example("json").text)) == set(RunSerializer().fields)


def test_numbers_of_the_page_are_those_of_the_code() -> None:
    assert f"every {TICK_SECONDS:.0f} seconds" in WORDS
    assert SMEAR_SECONDS == 60
    assert f"less than {SMEAR_SECONDS * SMEAR_SHARE // 60} minutes apart" in WORDS
    assert f"kept for {KEPT.days} days" in WORDS


@pytest.mark.parametrize("item", ["1-5", "*/15", "10-40/10"])
def test_items_of_the_page_are_read(item: str) -> None:
    assert f"`{item}`" in PAGE
    assert str(cron_parse(f"{item} * * * *"))


@pytest.mark.parametrize("day", ["FRIL", "SAT#2"])
def test_days_of_the_page_are_read(day: str) -> None:
    assert f"`{day}`" in PAGE
    assert str(cron_parse(f"0 4 * * {day}"))


@pytest.mark.django_db(transaction=True)
def test_api_example_tries_makes_runs_and_pauses_a_schedule(rental: Rental, live_server: Any) -> None:
    program_require("curl", package="Debian curl")
    _, secret = token_create(user=rental.owner, name="docs")
    server = f"{live_server.url}/api/v1/orders/{rental.order.id}/provisions/{rental.server.id}"
    told: list[Any] = []
    for line in example("sh").lines():
        schedule = told[1]["id"] if len(told) > 1 else ""
        environ = {**os.environ, "TOKEN": secret, "SERVER": server, "SCHEDULE": schedule}
        done = subprocess.run(["bash", "-euc", line], capture_output=True, text=True, check=True, env=environ)
        told.append(json.loads(done.stdout))
    tried, made, started, runs, paused = told
    assert (tried["sentence"], len(tried["next_runs"])) == ("Every day at 4 a.m., time zone Europe/Berlin", 5)
    assert (made["name"], started["last_run"]["state"], paused["paused"]) == ("Nightly", "running", True)
    assert [run["backup"] for run in runs["results"]] == [started["last_run"]["backup"]]
    assert Schedule.objects.get().paused
