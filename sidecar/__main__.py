"""`python -m sidecar --config FILE`, also installed as `savepoint-sidecar`."""

import argparse
import logging
import sys
from pathlib import Path
from typing import Final

from sidecar.config import config_read
from sidecar.server import serve, signals_hold
from sidecar.starting import StartError
from sidecar_client.allocator import allocator_tune

_MISTAKE: Final = 2


def main(arguments: list[str] | None = None) -> int:
    """Run the daemon; returns 0 after SIGTERM, 2 with one line on stderr when it cannot start."""
    parser = argparse.ArgumentParser(prog="savepoint-sidecar", description="Savepoint's sidecar daemon.")
    parser.add_argument("--config", required=True, type=Path, metavar="FILE", help="its configuration, TOML")
    path = parser.parse_args(arguments).config
    allocator_tune()
    signals_hold()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    try:
        serve(config_read(path))
    except StartError as error:
        sys.stderr.write(f"savepoint-sidecar: {error}\n")
        return _MISTAKE
    return 0


if __name__ == "__main__":
    sys.exit(main())
