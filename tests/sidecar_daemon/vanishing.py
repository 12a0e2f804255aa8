"""The sidecar's daemon on a volume where files vanish just before they are packed.

`python -m tests.sidecar_daemon.vanishing --config FILE`: the file `vanish` beside the configuration lists names, one a
line; a file with such a name is removed when its turn comes.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sidecar.__main__ import main
from sidecar.archive import tree_reader

_open = tree_reader.open_for_reading


def opening(name: bytes, folder: int, flags: int = 0) -> int:
    """Open an entry as packing does, after removing it if it is to vanish."""
    names = Path(sys.argv[-1]).with_name("vanish")
    if names.exists() and name in names.read_bytes().split(b"\n"):
        os.unlink(name, dir_fd=folder)
    return _open(name, folder, flags)


if __name__ == "__main__":
    tree_reader.open_for_reading = opening
    sys.exit(main())
