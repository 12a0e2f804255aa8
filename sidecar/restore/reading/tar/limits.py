"""Limits of the resources that a `.tar.gz` may take."""

from __future__ import annotations

from dataclasses import dataclass

from sidecar.restore.reading.limits import MIB, Limits


@dataclass(frozen=True, slots=True)
class TarLimits(Limits):
    """Bounds for a `.tar.gz`. Headers, extended ones included, are entries, and their bytes count.

    `ratio` limits the bytes written per compressed byte read, once `ratio_from_bytes` were written. Runs of zeros
    become holes and do not count: an honest sparse file can reach deflate's maximum of 1032:1.
    """

    header_bytes: int = MIB  # of one extended header, which must fit in memory
    ratio: int = 1000
    ratio_from_bytes: int = 1024 * MIB


DEFAULT_TAR_LIMITS = TarLimits()
