"""The archive's files that a live file may be a companion of, collected from the entries of the walk."""

from __future__ import annotations

from trees.companions import CURRENT, LEVEL, is_companion, is_of_store
from trees.folders import file_head


class Passed:
    """Remembers the archive's entries that a later live file of the walk may be a companion of.

    Names that begin with another name follow it directly in the order, so a chain of such names is enough. A listing
    has no content, so the beginning of a file is read from the live file.
    """

    def __init__(self) -> None:
        self._files: list[bytes] = []
        self._folders: list[bytes] = [b""]
        self._levels: list[bytes] = []
        self._stores: list[bytes] = []

    def note(self, path: bytes, *, is_folder: bool) -> None:
        """Add the next entry of the walk."""
        for kept in (self._files, self._folders, self._levels, self._stores):
            while kept and not path.startswith(kept[-1]):
                kept.pop()
        folder, _, name = path.rpartition(b"/")
        if is_folder:
            self._folders.append(path + b"/")
        elif name == LEVEL:
            self._levels.append(folder + b"/" if folder else b"")
        elif name == CURRENT:
            self._stores.append(folder + b"/" if folder else b"")
        if not is_folder:
            self._files.append(path)

    def has_store(self, current: bytes) -> bool:
        """Whether the archive has the file `current` of a store."""
        return current.removesuffix(CURRENT) in self._stores

    def take_along(self, path: bytes, *, at: int) -> bool:
        """Whether a live file that the archive lacks is a companion of one that it has; `at` is its open folder."""
        name = path.rpartition(b"/")[2]
        within = path[: len(path) - len(name)]

        def archived(other: bytes) -> bytes | None:
            of_store = is_of_store(other) and within in self._folders
            return file_head(other, at=at) if of_store else self.head(within + other, at=at)

        return is_companion(name, backup=archived, live=lambda _: file_head(name, at=at) or b"")

    def head(self, path: bytes, *, at: int) -> bytes | None:
        """The first bytes of the archive's file at a path, read from the live file; None when the archive has none."""
        within, name = path[: path.rfind(b"/") + 1], path.rpartition(b"/")[2]
        is_there = path in self._files or (name == LEVEL and within in self._levels)
        return (file_head(name, at=at) or b"") if is_there else None
