"""The demo from its first line to its last process."""

from __future__ import annotations

import json
import signal
import threading
import traceback
from concurrent.futures import Future
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import connections

from config.demo.client import Client
from config.demo.keeper import Keeper
from config.demo.places import Place, place_make
from config.demo.processes import WEB, WORKER
from config.demo.proof import ProofFailed, Subject, proof_run
from config.demo.screen import Screen
from config.demo.seed import Seeded, demo_seed
from config.embedded import DEMO_FILE
from config.private_files import private_write
from config.web_server import listener_open

TEND_SECONDS = 0.2
WORLD_MEGABYTES, OTHER_WORLD_MEGABYTES = 60, 4


def demo_run(*, stay: bool) -> int:
    """Run the demo until it is asked to stop, or, unless it is to `stay`, until the check is done.

    Return the exit status: 0, or 1 when the check was to be all and was not passed. Raises AddressUnavailable.
    """
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda _number, _frame: stopping.set())
    listener_open(settings.ENVIRONMENT.host, settings.ENVIRONMENT.port).close()
    screen, home = Screen(), settings.SAVEPOINT_HOME
    places, seeded = _prepare(home, screen)
    proof: Future[bool] = Future()
    keeper = Keeper([*(place.sidecar for place in places.values()), WEB, WORKER], logs=home / "logs", say=screen.say)
    keeper.start()
    try:
        threading.Thread(target=_show, args=(proof, home, places, seeded, screen), daemon=True).start()
        while not stopping.is_set() and (stay or not proof.done()):
            keeper.tend()
            stopping.wait(TEND_SECONDS)
    finally:
        screen.say("Stopping.")
        (home / DEMO_FILE).unlink(missing_ok=True)
        keeper.stop()
        screen.say("Nothing is left running.")
    return 0 if stay or (proof.done() and proof.result()) else 1


def _prepare(home: Path, screen: Screen) -> tuple[dict[str, Place], Seeded]:
    screen.say(f"Savepoint's demo. All of it is in {home}; remove that folder to begin anew.")
    call_command("migrate", interactive=False, verbosity=0)
    call_command("createcachetable", verbosity=0)
    places = {
        "customer": place_make(home=home, name="sidecar", data_root=home / "world", seed=1, megabytes=WORLD_MEGABYTES),
        "other": place_make(
            home=home, name="sidecar-other", data_root=home / "other-world", seed=2, megabytes=OTHER_WORLD_MEGABYTES
        ),
    }
    seeded = demo_seed(home=home, places=places)
    # The children have connections of their own.
    connections.close_all()
    return places, seeded


def _show(proof: Future[bool], home: Path, places: dict[str, Place], seeded: Seeded, screen: Screen) -> None:
    """What is seen once the processes run: logins, the proof, and the file for other programs."""
    right = False
    try:
        _logins_say(seeded, screen)
        proof_run(_subjects(places, seeded), screen=screen)
        private_write(home / DEMO_FILE, json.dumps(_demo_json(places, seeded), indent=2) + "\n")
        screen.say(f"Ready: {settings.SAVEPOINT_URL}/  (logs in {home / 'logs'}; Ctrl-C stops all of it)")
        right = True
    except ProofFailed as failed:
        screen.say(f"NOT RIGHT. {failed}")
    except Exception:  # noqa: BLE001  # whatever it was: it was not right, and is shown
        screen.say(f"NOT RIGHT.\n{traceback.format_exc()}")
    finally:
        proof.set_result(right)


def _logins_say(seeded: Seeded, screen: Screen) -> None:
    screen.say(f"\n  {settings.SAVEPOINT_URL}/          API: /api/v1/docs/   admin: /admin/\n")
    for role, login in seeded.users.items():
        screen.say(f"  {role:<10} password {login.password}   token {login.token}")
    screen.say()


def _subjects(places: dict[str, Place], seeded: Seeded) -> list[Subject]:
    return [
        Subject(
            client=Client(settings.SAVEPOINT_URL, seeded.users[role].token),
            rented=rented,
            data_root=places[role].data_root,
            listen=places[role].listen,
        )
        for role, rented in (("customer", seeded.customer), ("other", seeded.other))
    ]


def _demo_json(places: dict[str, Place], seeded: Seeded) -> dict[str, Any]:
    users: dict[str, Any] = {role: asdict(login) for role, login in seeded.users.items()}
    users["other"] |= asdict(seeded.other)
    return {
        "url": settings.SAVEPOINT_URL,
        "data_root": str(places["customer"].data_root),
        **asdict(seeded.customer),
        "users": users,
        "no_sidecar": asdict(seeded.no_sidecar),
    }
