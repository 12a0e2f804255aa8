"""What the sidecar of these tests puts up with, so that a bomb need not be large to be one."""

from __future__ import annotations

LIMITS = {"total_bytes": 24 << 20, "entries": 2000, "depth": 40, "ratio": 100, "ratio_from_bytes": 1 << 20}
