"""Which live paths stay because others of their unit have to (`trees.units` has the rule)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping

from sidecar.restore.comparing.staying import Stay, Staying
from trees.units import Units
from trees.walk import Found
from wire.enums import WarningKind


class LiveUnits:
    """Decides for names of live folders whether they stay because of another one."""

    def __init__(
        self,
        staying: Staying,
        *,
        archived: Callable[[bytes, int], bytes | None],
        reason: Callable[[Found], WarningKind | None],
    ) -> None:
        """`archived`: the first bytes of the archive's file of a path, whose live folder is open; None for no file.

        `reason`: why a live file must stay, None when it may change or is as the archive has it.
        """
        self._staying = staying
        self._archived = archived
        self._reason = reason
        self._units = Units(self)

    def hold(self, path: bytes, *, at: int) -> bool:
        """Whether a path in an open live folder must not change because a live file of its unit stays; both are told.

        The path itself need not be there.
        """
        if not self._units.stays(path, at=at):
            return False
        self._staying.stay(WarningKind.COMPANION, path)
        return True

    def wanted_head(self, path: bytes, *, at: int) -> bytes | None:
        """The first bytes of the archive's file of a path, None when it has none."""
        return self._archived(path, at)

    def why_stays(self, path: bytes, live: os.stat_result, *, at: int) -> WarningKind | None:
        """Why a live file has to stay, None when it may change or is as the archive has it."""
        if self._staying.known(path) is not Stay.GOES:
            return WarningKind.COMPANION
        return self._reason(Found(path, path.rpartition(b"/")[2], at, live))

    def keep(self, stuck: Mapping[bytes, WarningKind], unit: Iterable[bytes], *, at: int) -> None:
        """Tell what has to stay. The other files of the unit are told when it is their turn."""
        del unit, at
        for path, kind in stuck.items():
            self._staying.stay(kind, path)
