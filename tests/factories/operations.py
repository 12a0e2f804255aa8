"""Factories of operations, tallies and chores."""

from __future__ import annotations

import uuid

import factory
from django.utils import timezone

from backups import kinds
from backups.models import OperationBackup
from config.chores import CHORES
from operations.kinds import kind_of
from operations.models import LIVE_STATES, ChoreRun, Operation, OperationState, OperationTally, Supervisor
from tests.factories.orders import OrderFactory


class OperationFactory(factory.django.DjangoModelFactory):
    """A succeeded operation; pass `state=` for other states."""

    class Meta:
        model = Operation
        skip_postgeneration_save = True

    order = factory.SubFactory(OrderFactory)
    kind = kinds.CREATE.name
    exclusive = factory.LazyAttribute(lambda operation: kind_of(operation).exclusive)
    state = OperationState.SUCCEEDED
    fence = factory.LazyAttribute(lambda operation: int(operation.state != OperationState.QUEUED))
    started_at = factory.LazyAttribute(
        lambda operation: None if operation.state == OperationState.QUEUED else timezone.now()
    )
    finished_at = factory.LazyAttribute(lambda operation: None if operation.state in LIVE_STATES else timezone.now())
    error_code = factory.LazyAttribute(
        lambda operation: {
            OperationState.FAILED: "storage_unavailable",
            OperationState.CANCELLED: "cancelled",
        }.get(operation.state, "")
    )

    @factory.post_generation
    def subject(self, create, backup, **kwargs):
        """`subject=` sets the operation's backup."""
        if backup is not None:
            OperationBackup.objects.create(operation=self, backup=backup)
            if self.kind in kinds.EXCHANGES:
                self.server_id = backup.provision_id
                self.save(update_fields=["server_id"])
            backup.operation = self
            backup.save(update_fields=["operation"])


class OperationTallyFactory(factory.django.DjangoModelFactory):
    """A tally; there is one for each kind and result."""

    class Meta:
        model = OperationTally

    kind = factory.Iterator([kind.name for kind in kinds.KINDS for _ in range(3)])
    state = factory.Iterator([state for state in OperationState if state not in LIVE_STATES])
    count = 1


class SupervisorFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Supervisor

    id = factory.LazyFunction(uuid.uuid4)
    host = "host"
    workers = 2
    workers_alive = 2


class ChoreRunFactory(factory.django.DjangoModelFactory):
    """A finished run."""

    class Meta:
        model = ChoreRun

    chore = CHORES[0].name
    requested_at = factory.LazyFunction(timezone.now)
    started_at = factory.LazyFunction(timezone.now)
    finished_at = factory.LazyFunction(timezone.now)
