"""Finds the live paths that stay because another file of their unit must (`trees.units` has the rule)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping

from sidecar.restore.comparing.staying import Stay, Staying
from trees.units import Units
from trees.walk import Found
from wire.enums import WarningKind


class LiveUnits:
    """Decides for names in live folders whether they stay because of another file of their unit."""

    def __init__(
        self,
        staying: Staying,
        *,
        archived: Callable[[bytes, int], bytes | None],
        reason: Callable[[Found], WarningKind | None],
    ) -> None:
        """`archived`: returns the first bytes of the archive's file at a path, given its open live folder, or None.

        `reason`: returns why a live file must stay; None when it may change or matches the archive.
        """
        self._staying = staying
        self._archived = archived
        self._reason = reason
        self._units = Units(self)

    def hold(self, path: bytes, *, at: int) -> bool:
        """Whether a path in an open live folder must not change because a live file of its unit stays. Reports both.

        The path itself may be missing.
        """
        if not self._units.stays(path, at=at):
            return False
        self._staying.stay(WarningKind.COMPANION, path)
        return True

    def wanted_head(self, path: bytes, *, at: int) -> bytes | None:
        """The first bytes of the archive's file at a path, None when it has no such file."""
        return self._archived(path, at)

    def why_stays(self, path: bytes, live: os.stat_result, *, at: int) -> WarningKind | None:
        """Why a live file must stay; None when it may change or matches the archive."""
        if self._staying.known(path) is not Stay.GOES:
            return WarningKind.COMPANION
        return self._reason(Found(path, path.rpartition(b"/")[2], at, live))

    def keep(self, stuck: Mapping[bytes, WarningKind], unit: Iterable[bytes], *, at: int) -> None:
        """Report the files that must stay. The others of the unit are reported when the walk reaches them."""
        del unit, at
        for path, kind in stuck.items():
            self._staying.stay(kind, path)
