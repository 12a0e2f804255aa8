"""The sidecar's limits in these tests, so low that a small archive can be a bomb."""

from __future__ import annotations

LIMITS = {"total_bytes": 24 << 20, "entries": 2000, "depth": 40, "ratio": 100, "ratio_from_bytes": 1 << 20}
LISTED = {name: LIMITS[name] for name in ("total_bytes", "entries", "depth")}
"""Those of them that a snapshot has: its chunks say their own sizes."""
