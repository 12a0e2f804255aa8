"""The admin's lists: every model, no secret, and a number of queries that does not grow with the rows."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backups.models import Backup, OperationBackup
from notices.models import DeliveryEvent, Dispatch
from tests import factories
from tests.api.admin_pages import page
from tests.api.test_factories import FACTORIES, OURS
from tests.factories import BackupFactory

INLINE = {OperationBackup, DeliveryEvent, Dispatch}
"""Rows that join two others, and the one row of a lease: none has a page."""
READ_ONLY = [
    "ApiToken",
    "AuditEvent",
    "Asset",
    "DataKey",
    "Finding",
    "IdempotencyRecord",
    "Operation",
    "OperationTally",
    "StoredObject",
    "Supervisor",
]


def test_every_model_has_a_page():
    models = {model for label in OURS for model in apps.get_app_config(label).get_models()}
    assert models - set(admin.site._registry) == INLINE


def test_the_queues_own_rows_are_not_in_reach():
    labels = {model._meta.app_label for model in admin.site._registry}
    assert "django_q" not in labels


def test_nothing_is_deleted_in_bulk(rf, admin_user):
    request = rf.get("/")
    request.user = admin_user
    for model, its_page in admin.site._registry.items():
        assert "delete_selected" not in its_page.get_actions(request), model


PAGED = [made for made in FACTORIES if made._meta.model not in INLINE]


@pytest.mark.parametrize("made", PAGED, ids=lambda made: made.__name__)
def test_a_list_costs_the_same_however_long_it_is(made, admin_client):
    def cost():
        with CaptureQueriesContext(connection) as captured:
            assert admin_client.get(page(made._meta.model, "changelist")).status_code == 200
        return len(captured)

    made.create_batch(2)
    cost()
    few = cost()
    made.create_batch(4)
    assert cost() == few


@pytest.mark.parametrize("made", PAGED, ids=lambda made: made.__name__)
@pytest.mark.parametrize("words", ["x", "6f6f1f5e-0000-4000-8000-000000000000"])
def test_a_list_can_be_searched_for_anything(words, made, admin_client):
    made()
    assert admin_client.get(page(made._meta.model, "changelist"), {"q": words}).status_code == 200


@pytest.mark.parametrize("made", PAGED, ids=lambda made: made.__name__)
def test_every_row_can_be_opened(made, admin_client):
    assert admin_client.get(page(made._meta.model, "change", made().pk)).status_code == 200


@pytest.mark.parametrize("name", READ_ONLY)
def test_columns_of_the_product_are_read_only(name, admin_client):
    row = getattr(factories, f"{name}Factory")()
    model = type(row)
    before = model.objects.filter(pk=row.pk).values().get()
    assert admin_client.get(page(model, "add")).status_code == 403
    assert admin_client.post(page(model, "change", row.pk), {"name": "x", "state": "failed"}).status_code == 403
    assert admin_client.post(page(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    assert model.objects.filter(pk=row.pk).values().get() == before


def test_the_status_of_a_backup_is_not_changed_by_hand(admin_client):
    backup = BackupFactory()
    assert admin_client.post(page(Backup, "change", backup.pk), {"status": "failed"}).status_code == 403
    assert admin_client.get(page(Backup, "add")).status_code == 403
