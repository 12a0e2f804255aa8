"""The portal's web server with a clock in it: `python -m benchmarks.scale_server`.

Each answer says how long the application took for it, from the request to the headers: by then Django has the
whole page, packed. The rest of the time that a client sees is HTTP, the loopback and the client.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from demo.processes import Program

SERVER = Program("web", ("-m", "benchmarks.scale_server"))
TIMING = "Server-Timing"
_DURATION = "app;dur="

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def timed(application: Application) -> Application:
    """The same application, whose answers carry its time."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        began = time.perf_counter()

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            took = f"{_DURATION}{1000 * (time.perf_counter() - began):.3f}"
            return start_response(status, [*headers, (TIMING, took)], *rest)

        return application(environ, start)

    return answer


def seconds_told(header: str) -> float:
    """The time that an answer carries."""
    return float(header.removeprefix(_DURATION)) / 1000


def _clock_wind() -> None:
    from config import wsgi

    wsgi.application = timed(wsgi.application)  # type: ignore[assignment]  # called by the server and nobody else


# Also in the processes that the server starts: they read their main module anew, under this other name.
if __name__ in ("__main__", "__mp_main__"):
    _clock_wind()
if __name__ == "__main__":
    from django.core.management import call_command

    call_command("serve")
