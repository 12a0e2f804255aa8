"""The embedded default: a home with secrets of its own, so that the demo starts with nothing prepared."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

from common.keyring import kek_generate
from config.private_files import private_keep

SECRET_KEY_BYTES = 64


def embedded_prepare() -> None:
    """Make sure that SAVEPOINT_HOME is set, absolute, and holds the secrets that the environment does not give.

    Called before the settings are read. Ends the program with one line when the home cannot be written.
    """
    given = os.environ.get("SAVEPOINT_HOME")
    # Not resolved: whoever named the home by a link finds the processes by that name.
    home = str(Path.cwd() / (given or "var"))
    if given != home:
        # Anew, so that this process too shows it in the environment that others see: the tree is found by it.
        os.environ["SAVEPOINT_HOME"] = home
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  # there is nothing for a shell
    try:
        _secret_keep("SECRET_KEY", lambda: secrets.token_urlsafe(SECRET_KEY_BYTES))
        _secret_keep("SAVEPOINT_MASTER_KEYS", lambda: f"1:{kek_generate()}")
    except OSError as error:
        sys.exit(f"savepoint: the home {home} cannot be used: {error.strerror}.")


def _secret_keep(name: str, make: Callable[[], str]) -> None:
    if not os.environ.get(name) and not os.environ.get(f"{name}_FILE"):
        private_keep(Path(os.environ["SAVEPOINT_HOME"]) / "secrets" / name, make)
