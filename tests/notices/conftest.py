"""One order with an owner who has a mail address."""

from __future__ import annotations

import pytest

from orders.models import Order
from tests.factories import OrderFactory
from tests.notices.receiver import receiver


@pytest.fixture
def order(db: None) -> Order:
    made: Order = OrderFactory(name="World")
    made.customer.owner.email = "owner@example.com"
    made.customer.owner.save()
    return made


@pytest.fixture
def there(settings):
    with receiver() as found:
        settings.SAVEPOINT_WEBHOOK_ORIGINS = frozenset({found.origin})
        yield found
