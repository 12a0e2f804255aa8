"""Files that belong together stay together: where one of them must stay, none of the others changes.

A database of an earlier state beside a log of a later one that cannot be removed would be corrupt at its next opening.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from repository.chunked.manifest.records import Record
from repository.chunked.manifest.stream import Manifest
from repository.chunked.packs.fetching import ChunkStore
from repository.chunked.restoring.fixed import file_is_fixed
from repository.chunked.restoring.folders import name_of, parent_of
from repository.chunked.restoring.outcome import Reason
from repository.chunked.restoring.parts import file_parts
from repository.chunked.restoring.reading import snapshot_file_head
from repository.chunked.restoring.target import Target
from repository.chunked.restoring.workers import Workers
from trees.beneath import open_for_reading
from trees.companions import CURRENT, belong_together, is_of_level, is_of_store, main_of_log, member_status, units_of
from trees.folders import file_head
from trees.source import Kind

_FILES = (Kind.FILE, Kind.HARDLINK)


@dataclass(slots=True)
class _Folder:
    """Names of a live folder, as they were before the first of its files was restored.

    `mains` have a log, or what is named like one; `odd` are no file, folder or link. `stays` is whether its store does,
    None before that was asked.
    """

    path: bytes
    mains: set[bytes] = field(default_factory=set)
    odd: set[bytes] = field(default_factory=set)
    of_store: list[bytes] = field(default_factory=list)
    stays: bool | None = None

    def may_be_of_unit(self, name: bytes) -> bool:
        """Whether a name may belong together with a live one: most have no such, at the cost of a look in a set."""
        is_side = main_of_log(name) is not None or is_of_level(name) or is_of_store(name)
        return is_side or name in self.mains or name in self.odd


class Units:
    """Decides before anything of a unit is written whether all of it stays. For one thread."""

    def __init__(self, manifest: Manifest, chunks: ChunkStore, target: Target, workers: Workers) -> None:
        self._manifest = manifest
        self._snapshot_head = partial(snapshot_file_head, manifest, chunks)
        self._target = target
        self._tally = target.tally
        self._workers = workers
        self._above: list[_Folder] = []

    def hold(self, path: bytes) -> bool:
        """Whether a path must not change because a live file of its unit has to stay. It need not be there itself.

        All of the unit are listed as failed then, save those that are as the snapshot has them.
        """
        if self._target.fresh:
            return False
        with self._tally.failing(path):
            at = self._target.folders.get(parent_of(path)).fd
            folder = self._folder(parent_of(path), at)
            if not folder.may_be_of_unit(name_of(path)) or not self._held(folder, name_of(path), at):
                return False
            if self._is_right(path, at):
                return False
            self._tally.fail(path, Reason.COMPANION)
        return True

    def _folder(self, path: bytes, at: int) -> _Folder:
        """A folder's names, of those on the way down to the last one that was asked for."""
        while self._above and path != self._above[-1].path and not _is_below(path, self._above[-1].path):
            self._above.pop()
        if not self._above or self._above[-1].path != path:
            self._above.append(_folder_scan(path, at))
        return self._above[-1]

    def _held(self, folder: _Folder, name: bytes, at: int) -> bool:
        for main, others in units_of(name):
            if others is None:
                if self._store_stays(folder, at):
                    return True
            elif any(self._stays(folder.path, stuck, main, name, others, at) for stuck in (main, *others)):
                return True
        return False

    def _store_stays(self, folder: _Folder, at: int) -> bool:
        """Whether a store, which may have very many files, stays."""
        if folder.stays is None:
            heads = partial(self._heads, folder.path, at)
            stuck = [name for name in folder.of_store if self._is_stuck(_in(folder.path, name), at)]
            folder.stays = any(belong_together(CURRENT, name, heads=heads) for name in stuck)
            if folder.stays:
                self._list(folder.path, stuck, folder.of_store, at)
        return folder.stays

    def _stays(self, within: bytes, stuck: bytes, main: bytes, name: bytes, others: Sequence[bytes], at: int) -> bool:
        """Whether a live file has to stay, and the name belongs together with it: one of the unit is its main one."""
        if not self._is_stuck(_in(within, stuck), at):
            return False
        belong = partial(belong_together, main, heads=partial(self._heads, within, at))
        sides = [stuck] if stuck != main else [name] if name != main else self._present(within, others, at)
        if not any(belong(side) for side in sides):
            return False
        self._list(within, [stuck], [main, *filter(belong, others)], at)
        return True

    def _list(self, within: bytes, stuck: Sequence[bytes], unit: Sequence[bytes], at: int) -> None:
        """List what is live of a unit: with a reason of its own what has to stay, then all that stay with it."""
        for name in stuck:
            live = member_status(name, at)
            is_file = live is not None and stat.S_ISREG(live.st_mode)
            self._tally.fail(_in(within, name), Reason.DENIED if is_file else Reason.NO_FILE)
        for name in unit:
            path = _in(within, name)
            if not self._tally.has_failed(path) and member_status(name, at) and not self._is_right(path, at):
                self._tally.fail(path, Reason.COMPANION)

    def _present(self, within: bytes, names: Sequence[bytes], at: int) -> list[bytes]:
        return [name for name in names if member_status(name, at) or self._entry(_in(within, name))]

    def _is_stuck(self, path: bytes, at: int) -> bool:
        """Whether a live path can neither go nor is as the snapshot has it."""
        live = member_status(name_of(path), at)
        if live is None:
            return False
        is_file = stat.S_ISREG(live.st_mode)
        return not is_file or (file_is_fixed(name_of(path), live, folder=at) and not self._is_right(path, at))

    def _heads(self, within: bytes, at: int, name: bytes) -> Iterator[bytes]:
        """The first bytes of a file, live and in the snapshot, as far as there are such."""
        if member_status(name, at) is not None:
            yield file_head(name, at=at) or b""
        if (head := self._snapshot_head(_in(within, name))) is not None:
            yield head

    def _is_right(self, path: bytes, at: int) -> bool:
        """Whether a live file has the content that it has in the snapshot."""
        entry = self._entry(path)
        if entry and entry[0].kind is Kind.HARDLINK:
            entry = self._entry(entry[0].target or b"")
        live = member_status(name_of(path), at)
        if entry is None or live is None or not stat.S_ISREG(live.st_mode) or live.st_size != entry[0].size:
            return False
        try:
            fd = open_for_reading(name_of(path), at)
        except OSError:
            return False
        try:
            parts = file_parts(*entry)
            self._workers.run(partial(part.compare, fd, self._workers) for part in parts)
            return not any(part.differs for part in parts)
        finally:
            os.close(fd)

    def _entry(self, path: bytes) -> tuple[Record, list[Record]] | None:
        """The file that the snapshot has at that path."""
        entry = next(self._manifest.under(path), None)
        return entry if entry and entry[0].path == path and entry[0].kind in _FILES else None


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


def _in(within: bytes, name: bytes) -> bytes:
    return within + b"/" + name if within else name


def _is_below(path: bytes, folder: bytes) -> bool:
    return not folder or path.startswith(folder + b"/")
