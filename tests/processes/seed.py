"""Prepare a portal's home in a process with its settings: `python -m tests.processes.seed`, options as JSON."""

from __future__ import annotations

import json
import shutil
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
    from django.contrib.auth.hashers import PBKDF2PasswordHasher

    from demo.places import place_make
    from demo.seed import demo_seed
    from orders.models import Plan

    # A million rounds for each user take longer than all the rest; a sign-in hashes anew with as many as are due.
    PBKDF2PasswordHasher.iterations = 1000
    _migrate(Path(options["migrated"]))
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


def _migrate(kept: Path) -> None:
    """Make the tables. The first SQLite database is kept, and later ones are copies of it: migrations take seconds."""
    from django.core.management import call_command
    from django.db import connection

    of_sqlite = connection.vendor == "sqlite"
    if of_sqlite and kept.exists():
        shutil.copyfile(kept, connection.settings_dict["NAME"])
        return
    call_command("migrate", interactive=False, verbosity=0)
    call_command("createcachetable", verbosity=0)
    if of_sqlite:
        with connection.cursor() as cursor:
            cursor.execute("VACUUM INTO %s", [str(kept)])


def _target_change(home: Path, *, kind: str, options: dict[str, Any], secrets: dict[str, str], sealed: bool) -> None:
    from vault.models import StorageTarget

    StorageTarget.objects.update(
        kind=kind, options=options or {"root": str(home / "storage")}, secrets=json.dumps(secrets), sealed=sealed
    )


if __name__ == "__main__":
    main()
