"""`make serve`: the whole product for developers, restarted when the checkout changes, with every log on the screen."""

from __future__ import annotations

from django.conf import settings

from demo.checkout import Checkout
from demo.keeper import Keeper, StopRequest
from demo.log_tail import LogTail
from demo.prepare import demo_prepare, logins_say
from demo.processes import ROOT
from demo.screen import Screen

TEND_SECONDS = 0.2
FILES_NAMED = 3


def serve_run() -> None:
    """Run web server, worker and sidecars until asked to stop."""
    stop = StopRequest()
    screen, home, checkout = Screen(), settings.SAVEPOINT_HOME, Checkout(ROOT)
    prepared = demo_prepare(home)
    logins_say(prepared.seeded, screen)
    screen.say(f"All data is in {home}; remove that folder to reset it. Ctrl-C stops everything.")
    keeper = Keeper(prepared.programs, logs=home / "logs", say=screen.say)
    keeper.start()
    logs = LogTail(keeper.logs, say=screen.say)
    try:
        while not stop.wait(TEND_SECONDS):
            if changed := checkout.changed():
                screen.say(f"Restarting: {_named(changed)} changed.")
                keeper.restart()
            keeper.tend()
            logs.show()
    finally:
        screen.say("Stopping.")
        keeper.stop()
        logs.close()
        screen.say("Nothing is left running.")


def _named(paths: list[str]) -> str:
    """The first of the paths, and how many more there are."""
    more = len(paths) - FILES_NAMED
    return ", ".join(paths[:FILES_NAMED]) + (f" and {more} more files" if more > 0 else "")
