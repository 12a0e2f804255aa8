"""Triggers of many servers: a sidecar is asked once for all of them, and one that never answers delays no other."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from django.utils import timezone

from backups.services import looks
from orders.models import Order
from provisions.models import Provision
from schedules.models import Trigger
from schedules.services import firing
from schedules.services.firing import triggers_run
from sidecar_client.client import Timeouts
from tests.factories import OrderFactory, PlanFactory
from tests.schedules.watched import WatchedSidecar, watched_sidecar


@pytest.fixture
def fleet(db: None) -> Iterator[Callable[..., WatchedSidecar]]:
    with ExitStack() as ends:

        def many(*, sidecars: int, servers: int, dead: int = 0) -> WatchedSidecar:
            """So many sidecars with so many servers each, both kinds of triggers on; `dead` more never answer."""
            sidecar = ends.enter_context(watched_sidecar(addresses=sidecars))
            addresses = [*sidecar.addresses, *(stalled(ends) for _ in range(dead))]
            plan = PlanFactory(customer_schedules=True)
            customer = OrderFactory().customer
            orders = Order.objects.bulk_create(
                Order(customer=customer, plan=plan, name="Server") for _ in range(len(addresses) * servers)
            )
            parts = Provision.objects.bulk_create(
                [
                    *(Provision(order=order, kind="deployment", name="World", is_primary=True) for order in orders),
                    *(
                        Provision(order=order, kind="sidecar", name="Agent", address=address, token="a token")
                        for order, address in zip(orders, addresses * servers, strict=True)
                    ),
                ]
            )
            now = timezone.now()
            Trigger.objects.bulk_create(
                Trigger(provision=part, kind=kind, next_look_at=now)
                for part in parts[: len(orders)]
                for kind in firing.GAME_KINDS
            )
            return sidecar

        yield many


def stalled(ends: ExitStack) -> str:
    """The address of a sidecar that takes a connection and never answers."""
    listening = ends.enter_context(socket.create_server(("127.0.0.1", 0)))
    return "{}:{}".format(*listening.getsockname())


def test_each_sidecar_is_asked_once_for_all_its_servers(
    fleet: Callable[..., WatchedSidecar], django_assert_max_num_queries: Any
) -> None:
    sidecar = fleet(sidecars=10, servers=8)
    assert triggers_run() == 0  # what was before does not count
    assert sidecar.asked == ["game"] * 10
    Trigger.objects.update(next_look_at=timezone.now())
    with django_assert_max_num_queries(3 * 80 + 15):  # for certificate and secret of each
        assert triggers_run() == 0
    assert len(sidecar.asked) == 20
    sidecar.ends = 1
    Trigger.objects.update(next_look_at=timezone.now())
    assert triggers_run() == 80


def test_sidecars_that_never_answer_delay_no_other(
    fleet: Callable[..., WatchedSidecar], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "PATIENCE", Timeouts(describe=0.5, preview=0.5))
    monkeypatch.setattr(looks, "AT_ONCE", 4)
    monkeypatch.setattr(firing, "GAMES_SECONDS", 1.2)
    sidecar = fleet(sidecars=2, servers=3, dead=20)
    looked = Trigger.objects.filter(looked_at__isnull=False)
    runs = 0
    while looked.count() < 2 * 3 * len(firing.GAME_KINDS):
        began = time.monotonic()
        triggers_run()
        assert time.monotonic() - began < 5
        runs += 1
        # All servers of a sidecar share its failure.
        away = Trigger.objects.filter(error_code="sidecar_unavailable").values_list("provision", flat=True)
        assert len(set(away)) % 3 == 0
        # Those that were asked come later: the rest is the next one's.
        assert runs <= 3
    assert sidecar.asked == ["game", "game"]
