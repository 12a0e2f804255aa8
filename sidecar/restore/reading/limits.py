"""Limits of the resources that a source of members may take."""

from __future__ import annotations

from dataclasses import dataclass

from sidecar.errors import ArchiveRefused
from trees.limits import CONTENT_BYTES_MAX, DEPTH_MAX, ENTRIES_MAX, PATH_BYTES_MAX

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds for members of any format, applied to the bytes actually read, never to announced sizes.

    `reserve_bytes` of the volume stay free for a game that runs while members are staged.
    """

    total_bytes: int = CONTENT_BYTES_MAX  # content and the format's own bytes
    entries: int = ENTRIES_MAX
    depth: int = DEPTH_MAX
    path_bytes: int = PATH_BYTES_MAX
    reserve_bytes: int = 16 * MIB


DEFAULT_LIMITS = Limits()

_IMPLIED_FOLDERS = 10_000
_IMPLIED_FOLDERS_A_MEMBER = 64


class ImpliedFolders:
    """Bounds the folders that paths imply without a member of their own: a path can imply thousands."""

    def __init__(self) -> None:
        self._left = _IMPLIED_FOLDERS

    def member(self) -> None:
        """Count one more member."""
        self._left += _IMPLIED_FOLDERS_A_MEMBER

    def folder(self) -> None:
        """Count one more implied folder. Raise ArchiveRefused when there are too many for this number of members."""
        self._left -= 1
        if self._left < 0:
            raise ArchiveRefused("the members imply more folders than allowed")
