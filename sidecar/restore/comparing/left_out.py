"""The paths that backups left out: the restored one, and the safety backup, which could not take them either."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from sidecar.errors import SourceFailed
from sidecar.restore.comparing.path_table import PathTable
from wire.enums import WarningKind
from wire.listing import Listing, ListingDamaged, ListingRefused

_READ_BYTES = 1 << 20
_BY_FAULT, _ON_PURPOSE, _UNREADABLE, _SKIPPED = 1, 2, 3, 4
_REASONS = {
    _BY_FAULT: WarningKind.LEFT_OUT,
    _ON_PURPOSE: WarningKind.EXCLUDED,
    _UNREADABLE: WarningKind.UNREADABLE,
    _SKIPPED: WarningKind.SKIPPED,
}


class LeftOut:
    """Tells for a path whether a backup left it out, and why a live one therefore stays.

    A path that vanished before it was read does not count: it did not exist, so a restore removes it like any other
    path that is not in the backup.
    """

    def __init__(self) -> None:
        self._paths = PathTable()

    def reason(self, path: bytes) -> WarningKind | None:
        """Why a live path stays; None when no backup left it out."""
        return _REASONS.get(self._paths.get(path))

    def of_backup(self, path: bytes) -> bool:
        """Whether the restored backup left a path out."""
        return self._paths.get(path) in (_BY_FAULT, _ON_PURPOSE)

    def add_backup(self, listing: Iterable[bytes]) -> None:
        """Add the paths of the restored backup, given its listing; none after its damaged part.

        A lost listing fails no restore: the rules of the live tree still apply.
        """
        with contextlib.suppress(ListingDamaged, ListingRefused):
            for entry in Listing(listing).left_out():
                if not entry.vanished:
                    self._paths.set(entry.path, _ON_PURPOSE if entry.excluded else _BY_FAULT)

    def add_safety(self, listing: Path) -> None:
        """Add the paths of the safety backup, which may be readable by now: no backup has them.

        Raises SourceFailed when its listing is lost or damaged, since an undo could not bring these paths back.
        """
        try:
            for entry in Listing(_read(listing)).left_out():
                if not entry.vanished and not self._paths.get(entry.path):
                    is_special = entry.link == WarningKind.SKIPPED.encode()
                    self._paths.set(entry.path, _SKIPPED if is_special else _UNREADABLE)
        except (ListingDamaged, ListingRefused, FileNotFoundError) as error:
            raise SourceFailed("the list of what the safety backup lacks is lost") from error


def left_out_read(listing: Path | None) -> LeftOut:
    """The paths that a backup left out, by the file with its listing: none without one."""
    return left_out_of(() if listing is None or not listing.exists() else _read(listing))


def left_out_of(listing: Iterable[bytes]) -> LeftOut:
    """As `left_out_read`, from the bytes of a listing."""
    left_out = LeftOut()
    left_out.add_backup(listing)
    return left_out


def _read(listing: Path) -> Iterator[bytes]:
    with listing.open("rb") as file:
        yield from iter(lambda: file.read(_READ_BYTES), b"")
