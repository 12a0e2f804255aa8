"""Files that belong together stay together: where one of them must stay, none of the others changes.

A database of an earlier state beside a log of a later one that cannot be removed would be corrupt at its next opening.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sidecar.restore.comparing.staying import Stay, Staying
from trees.companions import CURRENT, belong_together, is_of_store, member_status, units_of
from trees.folders import file_head, folder_scan
from trees.walk import Found
from wire.enums import WarningKind


class Units:
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
        self._store: tuple[bytes, bool] | None = None

    def hold(self, path: bytes, *, at: int) -> bool:
        """Whether a path in an open live folder must not change because a live file of its unit stays; both are told.

        The path itself need not be there.
        """
        if not self._held(path, at):
            return False
        self._staying.stay(WarningKind.COMPANION, path)
        return True

    def _held(self, path: bytes, at: int) -> bool:
        within, name = path[: path.rfind(b"/") + 1], path.rpartition(b"/")[2]
        for main, others in units_of(name):
            if others is None:
                if self._store_stays(within, at):
                    return True
                continue
            for other in (main, *others):
                side = name if other == main else other
                if other != name and self._stays(within, main, other, side, at):
                    return True
        return False

    def _store_stays(self, within: bytes, at: int) -> bool:
        """Whether a store, which may have very many files, stays; the last answer is remembered."""
        if self._store is None or self._store[0] != within:
            names = sorted(filter(is_of_store, folder_scan(at)))
            stays = [name for name in names if self._stays(within, CURRENT, name, name, at)]
            self._store = within, bool(stays)
        return self._store[1]

    def _stays(self, within: bytes, main: bytes, name: bytes, side: bytes, at: int) -> bool:
        """Whether a live file stays, and belongs together with another: one of the two is the main one."""
        live = member_status(name, at)
        if live is None:
            return False
        if not belong_together(main, side, heads=lambda other: self._heads(within, other, at)):
            return False
        path = within + name
        if self._staying.known(path) is not Stay.GOES:
            return True
        kind = self._reason(Found(path, name, at, live))
        if kind is not None:
            self._staying.stay(kind, path)
        return kind is not None

    def _heads(self, within: bytes, name: bytes, at: int) -> Iterator[bytes]:
        if (head := self._archived(within + name, at)) is not None:
            yield head
        if member_status(name, at) is not None:
            yield file_head(name, at=at) or b""
