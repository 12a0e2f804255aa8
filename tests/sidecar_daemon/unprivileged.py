"""The sidecar's daemon as an ordinary user: `python -m tests.sidecar_daemon.unprivileged --config FILE`."""

from __future__ import annotations

import encodings.ascii
import encodings.idna  # noqa: F401
import os
import sys

# Import as root: the other user may have no access to this Python's folder.
from sidecar.__main__ import main
from trees import trust

NOBODY = 65534

if __name__ == "__main__":
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    # No program here writes through mapped memory, so a stat is trusted without the usual minute.
    trust.WRITTEN_BACK_NS = 0
    sys.exit(main())
