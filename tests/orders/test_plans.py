"""The columns of a plan: what the database refuses, and what the staff's page says."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError as FieldError
from django.db import IntegrityError, transaction

from common.errors import ValidationError
from orders.models import Plan
from orders.retention import RetentionPolicy
from tests.api.admin_pages import page
from tests.factories import PlanFactory

FORM = {"name": "Large", "has_backups": "on", "backup_limit": 10, "safety_hours": 48, "collapse_percent": 50,
        "volume_limit": 3}  # fmt: skip


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("shortest_interval_minutes", 0),
        ("shortest_interval_minutes", 10_000_000),
        ("cooldown_minutes", 10_000_000),
        ("restore_rate", 1),
        ("parallel_operations", 0),
        ("suspension_days", 4000),
    ],
)
def test_impossible_number_is_refused_by_the_database(db, column, value):
    plan = PlanFactory()
    with pytest.raises(IntegrityError), transaction.atomic():
        Plan.objects.filter(id=plan.id).update(**{column: value})


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("schedule_retention", {"daily": -1}),
        ("schedule_retention", {"daily": True}),
        ("schedule_retention", {"daily": 1.5}),
        ("schedule_retention", {"fortnightly": 1}),
        ("schedule_retention", [3]),
        ("sources", ["files", "files"]),
        ("sources", ["tapes"]),
        ("sources", "files"),
        ("formats", ["zip"]),
        ("formats", [{}]),
        ("formats", ["repository"]),
        ("restore_rate", 1),
    ],
)
def test_impossible_value_is_named_by_its_field(db, column, value):
    plan = PlanFactory.build(**{column: value})
    with pytest.raises(FieldError) as refused:
        plan.full_clean()
    assert list(refused.value.message_dict) == [column]


def test_plan_page_keeps_what_was_not_sent_and_empties_what_was_sent_empty(admin_client):
    admin_client.post(page(Plan, "add"), FORM)
    plan = Plan.objects.get()
    assert (plan.schedule_retention, plan.sources, plan.shortest_interval_minutes) == ({}, [], 60)
    sent = {**FORM, "schedule_retention": '{"daily": 7}', "sources": '["files"]', "cooldown_minutes": 5}
    admin_client.post(page(Plan, "change", plan.pk), sent)
    plan.refresh_from_db()
    assert (plan.schedule_retention, plan.sources, plan.cooldown_minutes) == ({"daily": 7}, ["files"], 5)
    admin_client.post(page(Plan, "change", plan.pk), {**FORM, "schedule_retention": ""})
    plan.refresh_from_db()
    assert (plan.schedule_retention, plan.sources, plan.cooldown_minutes) == ({}, ["files"], 5)


def test_policy_is_read_from_json_and_refused_by_field():
    policy = RetentionPolicy.from_json({"daily": 7, "last": 0})
    assert policy.rules == {"daily": 7}
    with pytest.raises(ValidationError) as refused:
        RetentionPolicy.from_json({"daily": -1}, field="schedule_retention")
    assert list(refused.value.errors) == ["schedule_retention"]
