"""The pages on plans and retention say what the code does."""

from __future__ import annotations

import json
import re

import pytest

from backups.rules import ROTATING_MAX
from common.errors import ApplicationError
from orders.models import Plan
from orders.models.plan import RATE_MIN
from orders.retention import KEPT_MAX, RULES, RetentionPolicy
from orders.services.plans import REDUCTION_GRACE, plan_save
from schedules.retention import Reason
from schedules.services.runs import STARTED_A_TICK
from tests.docs.pages import ROOT, examples
from tests.factories import OrderFactory, PlanFactory

PLANS, RETENTION = ((ROOT / f"docs/{name}.md").read_text() for name in ("plans", "retention"))
NOT_SHOWN = {"name", "id"}


def example(page: str) -> dict:
    (found,) = [one for one in examples() if (one.page, one.language) == (f"docs/{page}.md", "json")]
    return json.loads(found.text)


def first_column(text: str, heading: str) -> list[str]:
    """The names in the first column of the table with this heading."""
    table = text[text.index(f"| {heading} |") :].split("\n\n", maxsplit=1)[0]
    return [cell for row in table.splitlines()[2:] for cell in row.split("|")[1].replace("`", "").strip().split(", ")]


def test_retention_of_the_page_states_every_rule() -> None:
    assert tuple(example("retention")) == RULES
    assert RetentionPolicy.from_json(example("retention")).rules == example("retention")
    assert set(first_column(RETENTION, "rule")) == set(RULES)


def test_every_reason_is_explained() -> None:
    assert set(first_column(RETENTION, "reason")) == {reason.value for reason in Reason}


def test_every_field_of_a_plan_is_explained() -> None:
    fields = {str(field.verbose_name) for field in Plan._meta.concrete_fields if field.name not in NOT_SHOWN}
    told = {re.sub(r"\(.*\)", "", name) for name in first_column(PLANS, "field")}
    short = {"customers choose files to leave out", "shortest interval", "cool-down"}
    assert {name for name in fields - told if not any(name.startswith(begin) for begin in short)} == set()


def test_codes_of_refusals_are_those_of_the_product() -> None:
    rows = PLANS[PLANS.index("| field |") :].split("\n\n")[0].splitlines()[2:]
    codes = {code for row in rows for code in re.findall(r"`([a-z_]+)`", row.split("|")[3])} - {"format", "cron"}
    assert len(codes) > 5
    assert codes <= ApplicationError.by_code.keys()


def test_numbers_of_the_pages_are_those_of_the_code() -> None:
    assert f"from 0 to {KEPT_MAX:,}" in RETENTION
    assert f"At most {ROTATING_MAX} backups wait" in RETENTION
    assert f"{REDUCTION_GRACE.days} days" in PLANS
    assert f"at most {STARTED_A_TICK:,} of them" in PLANS
    assert RATE_MIN == 1 << 20


@pytest.mark.django_db
def test_schedule_of_the_page_is_one_that_a_plan_can_have() -> None:
    shown = example("plans")
    plan = PlanFactory()
    order = OrderFactory(plan=plan)
    plan.schedule_cron, plan.schedule_time_zone, plan.schedule_retention = shown.values()
    plan_save(plan=plan, actor=None)
    schedule = order.schedules.get()
    assert {name: getattr(schedule, name) for name in shown} == shown
