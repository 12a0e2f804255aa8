"""Every model has a factory with rows that the database accepts."""

from __future__ import annotations

import factory
import pytest
from django.apps import apps

from operations.models import OperationState
from tests import factories
from tests.factories import BackupFactory, OperationFactory

OURS = ["common", "accounts", "orders", "provisions", "operations", "vault", "backups", "schedules"]
FACTORIES = [getattr(factories, name) for name in factories.__all__]


def test_every_model_has_a_factory():
    models = {model for label in OURS for model in apps.get_app_config(label).get_models()}
    assert models == {made._meta.model for made in FACTORIES}


@pytest.mark.parametrize("made", FACTORIES, ids=lambda made: made.__name__)
def test_a_factory_makes_several_rows(made: type[factory.Factory], db):
    rows = made.create_batch(2)
    assert made._meta.model.objects.filter(pk__in=[row.pk for row in rows]).count() == 2


@pytest.mark.parametrize("status", ["creating", "failed", "restoring"])
def test_a_backup_can_be_in_every_status(status, db):
    assert BackupFactory(**{status: True}).status == status


@pytest.mark.parametrize("state", OperationState.values)
def test_an_operation_can_be_in_every_state(state, db):
    assert OperationFactory(state=state).state == state
