"""`python -m sidecar --config FILE`, also installed as `savepoint-sidecar`; `enrol` first gets its certificate."""

import argparse
import logging
import sys
from pathlib import Path
from typing import Final

from sidecar.config import config_read
from sidecar.daemon.server import serve, signals_hold
from sidecar.descriptors import descriptors_raise
from sidecar.errors import StartError
from sidecar.tls.enrolling import enrol
from wire.allocator import allocator_tune

_MISTAKE: Final = 2


def main(arguments: list[str] | None = None) -> int:
    """Run the daemon; returns 0 after SIGTERM, 2 with one line on stderr when it cannot start.

    With `enrol` as the first argument, get the daemon's certificate from the portal instead.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        if arguments[:1] == ["enrol"]:
            enrol(arguments[1:])
        else:
            _run(arguments)
    except StartError as error:
        sys.stderr.write(f"savepoint-sidecar: {error}\n")
        return _MISTAKE
    return 0


def _run(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="savepoint-sidecar",
        description="Savepoint's sidecar daemon.",
        epilog="`savepoint-sidecar enrol --help` tells how it gets its certificate for TLS.",
    )
    parser.add_argument("--config", required=True, type=Path, metavar="FILE", help="its configuration, TOML")
    path = parser.parse_args(arguments).config
    allocator_tune()
    descriptors_raise()
    signals_hold()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    serve(config_read(path))


if __name__ == "__main__":
    sys.exit(main())
