"""The sidecar's daemon as a user that is not root: `python -m tests.sidecar_daemon.unprivileged --config FILE`."""

from __future__ import annotations

import encodings.ascii
import encodings.idna  # noqa: F401
import os
import sys

# Loaded before the user changes: this Python may lie where that user cannot look.
from sidecar.__main__ import main
from trees import trust

NOBODY = 65534

if __name__ == "__main__":
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    # No program here writes through mapped memory: files are trusted without the minute of rest.
    trust.WRITTEN_BACK_NS = 0
    sys.exit(main())
