"""How much a `.tar.gz` may ask of the machine that extracts it."""

from __future__ import annotations

from dataclasses import dataclass

from sidecar.restore.reading.limits import MIB, Limits


@dataclass(frozen=True, slots=True)
class TarLimits(Limits):
    """Bounds for a `.tar.gz`. Headers, extended ones included, are entries, and their bytes count.

    `ratio` compares bytes written with compressed bytes read, once `ratio_from_bytes` were written. Runs of zeros
    become holes, which take no room, and do not count: deflate ends at 1032:1, and an honest sparse file gets there.
    """

    header_bytes: int = MIB  # of one extended header, which has to be held in memory
    ratio: int = 1000
    ratio_from_bytes: int = 1024 * MIB


DEFAULT_TAR_LIMITS = TarLimits()
