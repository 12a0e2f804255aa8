"""The sidecar's daemon with the limits of the corpus: `python -m tests.hostile.limited_daemon --config FILE`."""

from __future__ import annotations

import sys

from sidecar.restore.reading import limits as listed_limits
from sidecar.restore.reading.tar import limits
from tests.hostile.limits import LIMITS, LISTED

if __name__ == "__main__":
    # Set before any module imports it from there.
    limits.DEFAULT_TAR_LIMITS = limits.TarLimits(**LIMITS)
    listed_limits.DEFAULT_LIMITS = listed_limits.Limits(**LISTED)
    from sidecar.__main__ import main

    sys.exit(main())
