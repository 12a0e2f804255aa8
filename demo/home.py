"""The embedded default: a home of its own with the secrets in it, so that the demo starts with nothing prepared."""

from __future__ import annotations

import fcntl
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

from common.keyring import kek_generate
from common.private_files import private_keep

SECRET_KEY_BYTES = 64
DEMO_FILE = "demo.json"
"""The file by which other programs find a running demo; it is absent while the demo does not answer."""


def embedded_prepare() -> None:
    """Make sure that SAVEPOINT_HOME is set, absolute, ours alone, and holds the secrets that the environment lacks.

    Called before the settings are read. Ends the program with one line when the home cannot be had.
    """
    given = os.environ.get("SAVEPOINT_HOME") or "var"
    home = Path(given)
    if not home.is_absolute():
        # Anew, so that this process too shows it in the environment that others see: the tree is found by it.
        os.environ["SAVEPOINT_HOME"] = str(home.resolve())
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  # there is nothing for a shell
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        _home_take(home)
        (home / DEMO_FILE).unlink(missing_ok=True)
        _secret_keep(home, "SECRET_KEY", lambda: secrets.token_urlsafe(SECRET_KEY_BYTES))
        _secret_keep(home, "SAVEPOINT_MASTER_KEYS", lambda: f"1:{kek_generate()}")
    except OSError as error:
        sys.exit(f"savepoint: the home {home} cannot be used: {error.strerror}.")


def _home_take(home: Path) -> None:
    """Hold the home until this process ends."""
    lock = os.open(home / "demo.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(
            f"savepoint: another demo runs in {home}; SAVEPOINT_HOME and SAVEPOINT_PORT give a second one its own."
        )


def _secret_keep(home: Path, name: str, make: Callable[[], str]) -> None:
    if not os.environ.get(name) and not os.environ.get(f"{name}_FILE"):
        private_keep(home / "secrets" / name, make)
