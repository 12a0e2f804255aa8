"""Finds the files of a target that stay because another file of their unit must (`trees.units` has the rule)."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from functools import partial

from repository.chunked.manifest.records import Record
from repository.chunked.manifest.stream import Manifest
from repository.chunked.packs.fetching import ChunkStore
from repository.chunked.restoring.folders import name_of, parent_of
from repository.chunked.restoring.outcome import FailureReason, reason_of
from repository.chunked.restoring.parts import file_parts
from repository.chunked.restoring.reading import snapshot_file_head
from repository.chunked.restoring.target import RestoreRoot
from repository.chunked.restoring.workers import Workers
from trees.beneath import open_for_reading
from trees.companions import member_status
from trees.fixed import file_is_fixed
from trees.source import Kind
from trees.units import Units

_FILES = (Kind.FILE, Kind.HARDLINK)


class TargetUnits:
    """Decides before a file of a unit is written whether the whole unit stays. For one thread."""

    def __init__(self, manifest: Manifest, chunks: ChunkStore, target: RestoreRoot, workers: Workers) -> None:
        self._manifest = manifest
        self._chunks = chunks
        self._target = target
        self._tally = target.tally
        self._workers = workers
        self._units = Units(self)

    def hold(self, path: bytes) -> bool:
        """Whether a path must not change because a live file of its unit must stay. The path itself may be missing.

        If so, all files of the unit that differ from the snapshot are listed as failed.
        """
        if self._target.fresh:
            return False
        try:
            at = self._target.folders.get(parent_of(path)).fd
            if not self._units.stays(path, at=at) or self._is_right(path, at):
                return False
            self._tally.fail(path, FailureReason.COMPANION)
        except OSError as error:
            self._tally.fail(path, reason_of(error))
        return True

    def wanted_head(self, path: bytes, *, at: int) -> bytes | None:
        """The first bytes of the file at a path in the snapshot, None when it has no such file."""
        del at
        return snapshot_file_head(self._manifest, self._chunks, path)

    def why_stays(self, path: bytes, live: os.stat_result, *, at: int) -> FailureReason | None:
        """Why a live file must stay; None when it may change or matches the snapshot."""
        if not stat.S_ISREG(live.st_mode):
            return FailureReason.NO_FILE
        is_stuck = file_is_fixed(name_of(path), live, folder=at) and not self._is_right(path, at)
        return FailureReason.DENIED if is_stuck else None

    def keep(self, stuck: Mapping[bytes, FailureReason], unit: Iterable[bytes], *, at: int) -> None:
        """List the live files of a unit as failed: each of `stuck` with its own reason, then the others."""
        for path, reason in stuck.items():
            self._tally.fail(path, reason)
        for path in unit:
            is_listed = self._tally.has_failed(path)
            if not is_listed and member_status(name_of(path), at) and not self._is_right(path, at):
                self._tally.fail(path, FailureReason.COMPANION)

    def _is_right(self, path: bytes, at: int) -> bool:
        """Whether a live file has its content of the snapshot."""
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
        """The record and parts of the file at a path in the snapshot, None when there is none."""
        entry = next(self._manifest.under(path), None)
        return entry if entry and entry[0].path == path and entry[0].kind in _FILES else None
