"""Prepare a portal's home in a process with its settings: `python -m tests.processes.seed`, options as JSON."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any


def main() -> None:
    """Migrate, make worlds, users, orders and a target; print their ids."""
    options = json.load(sys.stdin)
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    from demo.places import place_make
    from demo.seed import demo_seed
    from orders.models import Plan

    call_command("migrate", interactive=False, verbosity=0)
    call_command("createcachetable", verbosity=0)
    home = settings.SAVEPOINT_HOME
    places = {
        role: place_make(
            home=home, name=f"sidecar-{role}", data_root=home / f"world-{role}", seed=seed, megabytes=megabytes
        )
        for seed, (role, megabytes) in enumerate({"customer": options["megabytes"], "other": 1}.items())
    }
    seeded = demo_seed(home=home, places=places)
    _target_change(home, **options["target"])
    Plan.objects.update(backup_format=options["format"])
    found = {"places": {role: asdict(place) for role, place in places.items()}, **asdict(seeded)}
    json.dump(found, sys.stdout, default=str)


def _target_change(home: Path, *, kind: str, options: dict[str, Any], secrets: dict[str, str], sealed: bool) -> None:
    from vault.models import StorageTarget

    StorageTarget.objects.update(
        kind=kind, options=options or {"root": str(home / "storage")}, secrets=json.dumps(secrets), sealed=sealed
    )


if __name__ == "__main__":
    main()
