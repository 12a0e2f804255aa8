"""The demo's home, filled: database, worlds, people and orders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import connections

from demo.history import history_seed
from demo.places import DemoServer, place_make
from demo.processes import WEB, WORKER, Program
from demo.screen import Screen
from demo.seed import Seeded, demo_seed
from orders.models import Order

WORLD_MEGABYTES, OTHER_WORLD_MEGABYTES = 60, 4


@dataclass(frozen=True, slots=True)
class Prepared:
    """Game servers by their owner, and everything that was seeded."""

    places: dict[str, DemoServer]
    seeded: Seeded

    @property
    def programs(self) -> list[Program]:
        """The programs of the whole product."""
        return [*(place.sidecar for place in self.places.values()), WEB, WORKER]


def demo_prepare(home: Path) -> Prepared:
    """Migrate the database and create missing parts of the home."""
    call_command("migrate", interactive=False, verbosity=0)
    call_command("createcachetable", verbosity=0)
    places = {
        "customer": place_make(home=home, name="sidecar", data_root=home / "world", seed=1, megabytes=WORLD_MEGABYTES),
        "other": place_make(
            home=home, name="sidecar-other", data_root=home / "other-world", seed=2, megabytes=OTHER_WORLD_MEGABYTES
        ),
    }
    seeded = demo_seed(home=home, places=places)
    history_seed(Order.objects.get(id=seeded.customer.order))
    # The children have connections of their own.
    connections.close_all()
    return Prepared(places, seeded)


def logins_say(seeded: Seeded, screen: Screen) -> None:
    """Show the address and every login."""
    screen.say(f"\n  {settings.SAVEPOINT_URL}/          API: /api/v1/docs/   admin: /admin/\n")
    for role, login in seeded.users.items():
        screen.say(f"  {role:<10} password {login.password}   token {login.token}")
    screen.say()
