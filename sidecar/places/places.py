"""The places of a data root: the root itself, and each folder that needs a staging folder of its own.

Names can be exchanged within a place, never between two places. A place begins at its own path, which is a mount point
or a link in its parent folder: that name itself is never exchanged.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from sidecar.errors import at_entry
from trees.beneath import Tree
from trees.folders import link_end, path_of
from wire.enums import WarningKind


@dataclass(frozen=True, slots=True)
class Place:
    """One open place. `link` is the text of the link that leads there, and `target` the folder's absolute path; both
    are empty for a mount. A place `in_memory` is lost when it is unmounted.
    """

    path: bytes
    fd: int
    device: int
    in_memory: bool = False
    link: bytes = b""
    target: bytes = b""

    @property
    def kind(self) -> WarningKind:
        """The reason why the name of this place stays."""
        return WarningKind.LINKED_OUT if self.link else WarningKind.MOUNTED

    def is_at(self, name: bytes, *, at: int) -> bool:
        """Whether a name in an open folder still leads to this folder, not to another one that took its path."""
        if self.link:
            return link_end(name, at) == path_of(self.fd)
        return os.path.samestat(os.fstat(self.fd), os.stat(name, dir_fd=at, follow_symlinks=False))


class Left(NamedTuple):
    """A part that is no place: it stays as it is, with everything below it."""

    kind: WarningKind
    device: int


class Rooted(Protocol):
    """A folder at the path of a place: the live one, or the one that its members are staged in."""

    @property
    def path(self) -> bytes:
        """The path relative to the data root."""
        ...

    @property
    def fd(self) -> int:
        """The folder's descriptor."""
        ...


class Places:
    """The places in the order of a walk, the root first, and the parts that are left as they are.

    `parts` are all places but the root, including those that are left, since a backup reads them. `used` are the
    places that are not left. `away` are the paths of places of an earlier extraction that are unmounted now. `lost`
    are those of them whose content is gone, since they were in memory.
    """

    def __init__(self, root_fd: int) -> None:
        self.root = Place(b"", root_fd, os.fstat(root_fd).st_dev)
        self.parts: list[Place] = []
        self.used: list[Place] = []
        self.left: dict[bytes, Left] = {}
        self.away: list[bytes] = []
        self.lost: list[bytes] = []

    def add(self, place: Place) -> None:
        """Add a place, and own its descriptor. Below a part that is left, the place is left, too."""
        self.parts.append(place)
        if self.is_left(place.path):
            self.leave(place)
        else:
            self.used.append(place)

    def leave(self, place: Place) -> None:
        """Turn a place, and every place in it, into parts that are left."""
        self.left[place.path] = Left(place.kind, place.device)
        self.used = [part for part in self.used if not _is_within(part.path, place.path)]

    def miss(self, place: Place, *, lost: bool) -> None:
        """Mark a place as away, or as `lost`; the places in it remain places of their own."""
        self.used.remove(place)
        (self.lost if lost else self.away).append(place.path)

    def of(self, path: bytes) -> Place:
        """The place that holds the name of a path."""
        for part in reversed(self.used):
            if path.startswith(part.path + b"/"):
                return part
        return self.root

    def at(self, path: bytes) -> Place | None:
        """The place that begins at a path, if one does."""
        if not path:
            return self.root
        return next((part for part in self.used if part.path == path), None)

    def met(self, path: bytes, name: bytes, *, at: int) -> Place | None:
        """The place that begins at a live path in an open folder, None when a link there leads elsewhere by now."""
        return self._met(self.used, path, name, at)

    def linked(self, path: bytes, name: bytes, *, at: int) -> Place | None:
        """The place, left or not, that a live link in an open folder leads to."""
        return self._met(self.parts, path, name, at)

    def is_top(self, path: bytes) -> bool:
        """Whether the reserved name in a folder belongs to a place, or may belong to one that is mounted twice."""
        return not path or path in self.left or any(part.path == path for part in self.parts)

    def way(self, path: bytes) -> tuple[int, bytes] | None:
        """The folder behind the last link on the way to a path, and the rest of the path; None without one."""
        for part in reversed(self.parts):
            if part.link and _is_within(path, part.path):
                return part.fd, path[len(part.path) + 1 :]
        return None

    def require_unmoved(self, tree: PlacedTree) -> None:
        """Raise EntryFailed when a part no longer begins where it was found."""
        for part in self.parts:
            with at_entry(part.path):
                at, name = tree.parent(part.path)
                found = self.linked(part.path, name, at=at)
                if found is None or not part.is_at(name, at=at):
                    raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    def left_at(self, path: bytes) -> WarningKind | None:
        """Why a part stays with everything below it; None for a path that is no part, or is not left."""
        left = self.left.get(path)
        return left.kind if left else None

    def is_left(self, path: bytes) -> bool:
        """Whether a path is a part that is left, or lies below one."""
        return any(_is_within(path, point) for point in self.left)

    def is_elsewhere(self, path: bytes) -> bool:
        """Whether a path lies below a part that is left and has another device than its parent folder: no hard link
        leads there.
        """
        return any(
            path.startswith(point + b"/") and left.device != self.of(point).device for point, left in self.left.items()
        )

    def is_away(self, path: bytes) -> bool:
        """Whether a path is a place that is away, or lies below one."""
        return any(_is_within(path, place) for place in self.away)

    def is_gone(self, path: bytes) -> bool:
        """Whether the innermost place of a path is away or lost."""
        found = len(self.of(path).path)
        return any(len(place) > found and _is_within(path, place) for place in (*self.away, *self.lost))

    def takes_part(self, path: bytes) -> bool:
        """Whether a restore works at a path: it lies in no place that is away or lost, and in no part that is left."""
        return not (self.is_gone(path) or self.is_left(path))

    def tree(self) -> PlacedTree:
        """The live tree, over all places."""
        return PlacedTree(self.root, self.parts)

    def open_folder(self, path: bytes) -> int:
        """Open the live folder at a path for reading; the caller closes the descriptor. Raises OSError."""
        with contextlib.closing(self.tree()) as tree:
            return tree.open_folder(path)

    def close(self) -> None:
        """Close all descriptors but the root's."""
        for part in self.parts:
            os.close(part.fd)
        self.parts, self.used = [], []

    @staticmethod
    def _met(parts: Sequence[Place], path: bytes, name: bytes, at: int) -> Place | None:
        part = next((part for part in parts if part.path == path), None)
        if part is None or not part.link:
            return part
        try:
            return part if os.readlink(name, dir_fd=at) == part.link else None
        except OSError:
            return None


class PlacedTree:
    """Resolves paths as a `Tree` does, each in its own place. A place that is added to `parts` later counts at once."""

    def __init__(self, root: Rooted, parts: Sequence[Rooted]) -> None:
        self._root = Tree(root.fd)
        self._parts = parts
        self._trees: dict[bytes, Tree] = {}

    def parent(self, path: bytes) -> tuple[int, bytes]:
        """Return the descriptor of the parent folder, valid until the next call, and the last name of `path`."""
        tree, below = self._find(path)
        return tree.parent(below)

    def status(self, path: bytes) -> os.stat_result | None:
        """The lstat of `path`, None when its last name is missing. For a place: of the mount point or link."""
        tree, below = self._find(path)
        return tree.status(below)

    def folder_status(self, path: bytes) -> os.stat_result | None:
        """As `status`, but for a place that of the folder itself."""
        part = self._beginning(path)
        return os.fstat(part.fd) if part else self.status(path)

    def open_folder(self, path: bytes) -> int:
        """Open the folder at `path` (`b""` is the root) for reading; the caller closes the descriptor."""
        part = self._beginning(path)
        tree, below = (self._tree(part), b"") if part else self._find(path)
        return tree.open_folder(below)

    def close(self) -> None:
        """Close the cached descriptors; those of the places belong to the caller."""
        for tree in (self._root, *self._trees.values()):
            tree.close()

    def _find(self, path: bytes) -> tuple[Tree, bytes]:
        for part in reversed(self._parts):
            if path.startswith(part.path + b"/"):
                return self._tree(part), path[len(part.path) + 1 :]
        return self._root, path

    def _beginning(self, path: bytes) -> Rooted | None:
        return next((part for part in self._parts if part.path == path), None)

    def _tree(self, part: Rooted) -> Tree:
        if part.path not in self._trees:
            self._trees[part.path] = Tree(part.fd)
        return self._trees[part.path]


def _is_within(path: bytes, folder: bytes) -> bool:
    return path == folder or path.startswith(folder + b"/")
