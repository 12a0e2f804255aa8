"""How much a source of members may ask of the machine that restores it."""

from __future__ import annotations

from dataclasses import dataclass

from sidecar.errors import ArchiveRefused
from trees.limits import CONTENT_BYTES_MAX, DEPTH_MAX, ENTRIES_MAX, PATH_BYTES_MAX

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds for members of any format, counted on what really comes and never on what is announced.

    `reserve_bytes` of the volume stay free for the game that may be running on it while members are staged.
    """

    total_bytes: int = CONTENT_BYTES_MAX  # with what the format takes beside content
    entries: int = ENTRIES_MAX
    depth: int = DEPTH_MAX
    path_bytes: int = PATH_BYTES_MAX
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
        """One more folder is implied. Raise ArchiveRefused when so many members imply fewer in honest data."""
        self._left -= 1
        if self._left < 0:
            raise ArchiveRefused("the members imply more folders than allowed")
