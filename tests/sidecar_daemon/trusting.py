"""The sidecar's daemon without the minute of distrust: `python -m tests.sidecar_daemon.trusting --config FILE`."""

from __future__ import annotations

import sys

from sidecar.__main__ import main
from trees import trust

if __name__ == "__main__":
    trust.WRITTEN_BACK_NS = 0
    sys.exit(main())
