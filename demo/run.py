"""The demo from its first line to its last process."""

from __future__ import annotations

import json
import threading
import traceback
from concurrent.futures import Future
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings

from common.private_files import private_write
from demo.client import Client
from demo.home import DEMO_FILE
from demo.keeper import Keeper, StopRequest
from demo.places import DemoServer
from demo.prepare import Prepared, demo_prepare, logins_say
from demo.proof import ProofFailed, Subject, proof_run
from demo.screen import Screen
from demo.seed import Seeded

TEND_SECONDS = 0.2


def demo_run(*, stay: bool) -> int:
    """Run the demo until it is asked to stop, or without `stay` until the check is done.

    Return the exit status: 0, or 1 when the check was to be all and was not passed.
    """
    stop = StopRequest()
    screen, home = Screen(), settings.SAVEPOINT_HOME
    screen.say(f"Savepoint's demo. All of it is in {home}; remove that folder to begin anew.")
    prepared = demo_prepare(home)
    proof: Future[bool] = Future()
    keeper = Keeper(prepared.programs, logs=home / "logs", say=screen.say)
    keeper.start()
    try:
        threading.Thread(target=_show, args=(proof, home, prepared, screen), daemon=True).start()
        while (stay or not proof.done()) and not stop.wait(TEND_SECONDS):
            keeper.tend()
    finally:
        screen.say("Stopping.")
        (home / DEMO_FILE).unlink(missing_ok=True)
        keeper.stop()
        screen.say("Nothing is left running.")
    return 0 if stay or (proof.done() and proof.result()) else 1


def _show(proof: Future[bool], home: Path, prepared: Prepared, screen: Screen) -> None:
    """The output once the processes run: logins, the proof, and the file for other programs."""
    right = False
    try:
        logins_say(prepared.seeded, screen)
        proof_run(_subjects(prepared), screen=screen)
        told = demo_json(prepared.places, prepared.seeded)
        private_write(home / DEMO_FILE, json.dumps(told, indent=2) + "\n")
        screen.say(f"Ready: {settings.SAVEPOINT_URL}/  (logs in {home / 'logs'}; Ctrl-C stops all of it)")
        right = True
    except ProofFailed as failed:
        screen.say(f"NOT RIGHT. {failed}")
    except Exception:  # noqa: BLE001  # whatever it was: it was not right, and is shown
        screen.say(f"NOT RIGHT.\n{traceback.format_exc()}")
    finally:
        proof.set_result(right)


def _subjects(prepared: Prepared) -> list[Subject]:
    places, seeded = prepared.places, prepared.seeded
    return [
        Subject(
            client=Client(settings.SAVEPOINT_URL, seeded.users[role].token),
            rented=rented,
            data_root=places[role].data_root,
            listen=places[role].listen,
        )
        for role, rented in (("customer", seeded.customer), ("other", seeded.other))
    ]


def demo_json(places: dict[str, DemoServer], seeded: Seeded) -> dict[str, Any]:
    """The content of the file that tells other programs of a running demo."""
    users: dict[str, Any] = {role: asdict(login) for role, login in seeded.users.items()}
    users["other"] |= asdict(seeded.other)
    return {
        "url": settings.SAVEPOINT_URL,
        "data_root": str(places["customer"].data_root),
        **asdict(seeded.customer),
        "users": users,
        "no_sidecar": asdict(seeded.no_sidecar),
    }
