"""Game servers and sidecars."""

import factory

from provisions.models import Provision, ProvisionKind
from tests.factories.orders import OrderFactory


class ProvisionFactory(factory.django.DjangoModelFactory):
    """The primary deployment of an order; `sidecar=True` makes the sidecar beside it."""

    class Meta:
        model = Provision

    class Params:
        sidecar = factory.Trait(
            kind=ProvisionKind.SIDECAR, name="Agent", is_primary=False, address="127.0.0.1:9", token="sidecar-secret"
        )

    order = factory.SubFactory(OrderFactory)
    kind = ProvisionKind.DEPLOYMENT
    name = "World"
    is_primary = True
