"""How much an archive may ask of the machine that extracts it."""

from __future__ import annotations

from dataclasses import dataclass

from sidecar.errors import ArchiveRefused

MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that are counted on what really comes out of the archive, never on what it announces.

    `ratio` compares bytes written with compressed bytes read, once `ratio_from_bytes` were written. Runs of zeros
    become holes, which take no room, and do not count: deflate ends at 1032:1, and an honest sparse file gets there.
    `reserve_bytes` of the volume stay free for the game that may be running on it while the archive is staged.
    """

    total_bytes: int = 4096 * GIB  # decompressed, headers included
    entries: int = 200_000_000  # headers, extended ones included: more than any volume we pack holds
    depth: int = 4096  # path components
    path_bytes: int = 256 * 1024
    header_bytes: int = MIB  # of one extended header, which has to be held in memory
    ratio: int = 1000
    ratio_from_bytes: int = GIB
    reserve_bytes: int = 16 * MIB


DEFAULT_LIMITS = Limits()

_IMPLIED_FOLDERS = 10_000
_IMPLIED_FOLDERS_A_MEMBER = 64


class ImpliedFolders:
    """Bounds the folders that paths imply without a member of their own: a short path can imply thousands."""

    def __init__(self) -> None:
        self._left = _IMPLIED_FOLDERS

    def member(self) -> None:
        """One more member came."""
        self._left += _IMPLIED_FOLDERS_A_MEMBER

    def folder(self) -> None:
        """One more folder is implied. Raise ArchiveRefused when honest archives of so many members imply fewer."""
        self._left -= 1
        if self._left < 0:
            raise ArchiveRefused("the archive implies more folders than allowed")
