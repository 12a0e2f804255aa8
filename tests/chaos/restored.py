"""A model of a restore in plain bytes: the tree that it must make of a live one and of a backup."""

from __future__ import annotations

from tests.chaos.trees import CLOSED, LISTED, MOUNTED, PLACE, SPECIAL, VANISHED, Tree, tree_stored

MOUNTED_FOLDERS_RESTORED = True
"""Whether a restore brings back the files of a folder that is a mount point; a mounted file always stays."""
BARRED = {CLOSED, LISTED, MOUNTED} | (set() if MOUNTED_FOLDERS_RESTORED else {PLACE})


def tree_restored(
    live: Tree, backup: Tree, frozen: set[bytes], *, overlay: bool, xattrs: bool
) -> tuple[Tree, set[bytes]]:
    """The tree after a restore, and the paths that stay although they differ from the backup.

    Special, unreadable and mounted entries stay, and so does a live path that the backup left out; a folder stays with
    its content. `frozen`: immutable paths; they stay, and so does every name in such a folder, though not what lies
    deeper in one that both sides have. `xattrs`: whether the backup has attributes.
    """
    restoring = _Restored(live, backup, frozen, overlay=overlay, xattrs=xattrs)
    restoring.merge(b"")
    return restoring.after, restoring.stays


def is_spread(live: Tree) -> bool:
    """Whether the restored entries lie on several volumes, which cannot share a file."""
    return MOUNTED_FOLDERS_RESTORED and any(entry.bar == PLACE for entry in live.values())


class _Restored:
    def __init__(self, live: Tree, backup: Tree, frozen: set[bytes], *, overlay: bool, xattrs: bool) -> None:
        self._frozen = frozen
        self._xattrs = xattrs
        self._live, self._backup, self._overlay = live, tree_stored(backup), overlay
        self._left_out = {path for path in backup.keys() - self._backup.keys() if backup[path].kind != VANISHED}
        self.after: Tree = {}
        self.stays: set[bytes] = set()

    def merge(self, folder: bytes) -> None:
        """Merge a folder that both sides have."""
        for path in _children(self._backup, folder):
            ours, live = self._backup[path], self._live.get(path)
            if live is not None and ours.kind == live.kind == "folder" and not self._stays(path, moves=False):
                # The metadata of an immutable folder stays, and so do the names in it; what lies deeper is restored.
                self.after[path] = live if path in self._frozen else ours
                self.merge(path)
            elif live is None and folder in self._frozen:
                self.stays.add(path)
            elif live is not None and not self._is_kept(path) and self._holds(path):
                self._keep(path)
            else:
                self.after |= _subtree(self._backup, path)
        for path in _children(self._live, folder):
            if path not in self._backup:
                self._extra(path)

    def _extra(self, path: bytes) -> None:
        if self._overlay:
            self.after |= _subtree(self._live, path)
        elif self._stays(path):
            self._keep(path)
        elif self._holds(path):
            self.stays.add(path)
            self.after[path] = self._live[path]
            for child in _children(self._live, path):
                self._extra(child)

    def _keep(self, path: bytes) -> None:
        self.stays.add(path)
        self.after |= _subtree(self._live, path)

    def _stays(self, path: bytes, *, moves: bool = True) -> bool:
        """Whether a live path stays, with all below it, because of its own kind; `moves`: its name is to be taken."""
        live = self._live[path]
        frozen = moves and not self._frozen.isdisjoint({path, path.rpartition(b"/")[0]})
        return frozen or live.kind == SPECIAL or live.bar in BARRED or path in self._left_out

    def _is_kept(self, path: bytes) -> bool:
        """Whether a live file has the right content already, so that only its metadata is set in place."""
        ours, live = self._backup[path], self._live[path]
        if live.bar or not ours.kind == live.kind == "file" or ours.content != live.content:
            return False
        shared = any(
            entry.twin == tree[path].twin and name != path
            for tree in (self._live, self._backup)
            for name, entry in tree.items()
        )
        as_is = (ours.mode, ours.mtime_ns) == (live.mode, live.mtime_ns)
        as_is &= not self._xattrs or ours.xattrs == live.xattrs
        return not shared and (as_is or path not in self._frozen)

    def _holds(self, path: bytes) -> bool:
        """Whether a live path or anything below it stays; no restore removes a mount."""
        return any(self._stays(name) or self._live[name].bar == PLACE for name in _subtree(self._live, path))


def _children(tree: Tree, folder: bytes) -> list[bytes]:
    return sorted(path for path in tree if path.rpartition(b"/")[0] == folder)


def _subtree(tree: Tree, top: bytes) -> Tree:
    return {path: entry for path, entry in tree.items() if path == top or path.startswith(top + b"/")}
