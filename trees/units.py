"""One engine that keeps units whole: when one file of a unit must stay, none of its other files changes.

An example: a log that cannot be removed would corrupt a restored database of an earlier state when it opens next.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, Protocol, TypeVar

from trees.companions import CURRENT, belong_together, is_of_level, is_of_store, main_of_log, member_status, units_of
from trees.folders import file_head

R = TypeVar("R")


class Files(Protocol[R]):
    """The files of a backup and the live ones. `at` is always the open live folder that holds the path."""

    def wanted_head(self, path: bytes, *, at: int) -> bytes | None:
        """The first bytes of the backup's file at a path, None when it has no such file."""
        ...

    def why_stays(self, path: bytes, live: os.stat_result, *, at: int) -> R | None:
        """Why a live file must stay; None when it may change or matches the backup."""
        ...

    def keep(self, stuck: Mapping[bytes, R], unit: Iterable[bytes], *, at: int) -> None:
        """Record that a unit stays. `stuck`: the files that must stay, each with its reason. `unit`: all its paths."""
        ...


@dataclass(slots=True)
class _Folder:
    """The names of a live folder, as they were at its scan.

    `mains`: the names for which there is a log, by its name. `odd`: the names that are no file, folder or link.
    `of_store`: the names of a store's files. `stays`: whether the store stays, None before it was checked.
    """

    path: bytes
    mains: set[bytes] = field(default_factory=set)
    odd: set[bytes] = field(default_factory=set)
    of_store: list[bytes] = field(default_factory=list)
    stays: bool | None = None

    def may_be_of_unit(self, name: bytes) -> bool:
        """Whether a name may be in a unit with a live one. For most names this takes two set look-ups."""
        is_side = main_of_log(name) is not None or is_of_level(name) or is_of_store(name)
        return is_side or name in self.mains or name in self.odd

    def paths(self, names: Iterable[bytes]) -> Iterator[bytes]:
        """The paths of the folder's names."""
        return (self.path + b"/" + name if self.path else name for name in names)


class Units(Generic[R]):
    """Decides before a file of a unit is written whether the whole unit stays. For one thread."""

    def __init__(self, files: Files[R]) -> None:
        self._files = files
        self._above: list[_Folder] = []

    def stays(self, path: bytes, *, at: int) -> bool:
        """Whether a path must not change because a live file of its unit must stay. The path itself may be missing.

        Ask for the paths of one folder in a row: only the folders above the last path are cached. Raises OSError.
        """
        within, _, name = path.rpartition(b"/")
        folder = self._folder(within, at)
        if not folder.may_be_of_unit(name):
            return False
        for main, others in units_of(name):
            if others is None:
                if self._store_stays(folder, at):
                    return True
            elif any(self._stays(folder, stuck, main, name, others, at) for stuck in (main, *others)):
                return True
        return False

    def _folder(self, path: bytes, at: int) -> _Folder:
        """The names of a folder, from the cache of the folders above the last path, or by a scan."""
        while self._above and path != self._above[-1].path and not _is_below(path, self._above[-1].path):
            self._above.pop()
        if not self._above or self._above[-1].path != path:
            self._above.append(_folder_scan(path, at))
        return self._above[-1]

    def _store_stays(self, folder: _Folder, at: int) -> bool:
        """Whether the folder's store stays. It may have very many files, so the result is cached."""
        if folder.stays is None:
            # The main file decides for all files of a store.
            is_store = any(self._belong(folder, CURRENT, name, at) for name in folder.of_store[:1])
            stuck = self._stuck(folder, folder.of_store, at) if is_store else {}
            folder.stays = bool(stuck)
            if stuck:
                self._files.keep(stuck, folder.paths(folder.of_store), at=at)
        return folder.stays

    def _stays(self, folder: _Folder, stuck: bytes, main: bytes, name: bytes, others: Sequence[bytes], at: int) -> bool:
        """Whether the live file `stuck` must stay and is in one unit with the name; `main` is the unit's main file."""
        if member_status(stuck, at) is None:
            return False
        belong = partial(self._belong, folder, main, at=at)
        if stuck != main:
            sides: Iterable[bytes] = [stuck]
        else:
            sides = [name] if name != main else (other for other in others if self._is_there(folder, other, at))
        if not any(map(belong, sides)):
            return False
        found = self._stuck(folder, [stuck], at)
        if found:
            self._files.keep(found, folder.paths([main, *filter(belong, others)]), at=at)
        return bool(found)

    def _stuck(self, folder: _Folder, names: Sequence[bytes], at: int) -> dict[bytes, R]:
        """The paths of the live files that must stay, each with its reason."""
        stuck: dict[bytes, R] = {}
        for name, path in zip(names, folder.paths(names), strict=True):
            live = member_status(name, at)
            if live is not None and (why := self._files.why_stays(path, live, at=at)) is not None:
                stuck[path] = why
        return stuck

    def _is_there(self, folder: _Folder, name: bytes, at: int) -> bool:
        return any(True for _ in self._heads(folder, at, name))

    def _belong(self, folder: _Folder, main: bytes, other: bytes, at: int) -> bool:
        return belong_together(main, other, heads=partial(self._heads, folder, at))

    def _heads(self, folder: _Folder, at: int, name: bytes) -> Iterator[bytes]:
        """Yield the first bytes of a file: of the live one and of the backup's, if they exist."""
        if member_status(name, at) is not None:
            yield file_head(name, at=at) or b""
        for path in folder.paths([name]):
            if (head := self._files.wanted_head(path, at=at)) is not None:
                yield head


def _folder_scan(path: bytes, at: int) -> _Folder:
    found = _Folder(path)
    with os.scandir(at) as entries:
        for entry in entries:
            name = os.fsencode(entry.name)
            if (main := main_of_log(name)) is not None:
                found.mains.add(main)
            if is_of_store(name):
                found.of_store.append(name)
            if not (entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False) or entry.is_symlink()):
                found.odd.add(name)
    found.of_store.sort()
    return found


def _is_below(path: bytes, folder: bytes) -> bool:
    return not folder or path.startswith(folder + b"/")
