"""The sessions of snapshots: the open data root, the game's hold and the sector map of each.

A session is the call ScanTree of an operation. It ends with that call, and what still reads for it ends at its next
step; the last one closes the tree, and discards what was not committed.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from pipelines.pacing import Bandwidth
from sidecar.calls.calls import Call
from sidecar.errors import Cancelled, Refused
from sidecar.exclusion.counting import Counting
from sidecar.exclusion.patterns import Exclude, InForce, patterns_read
from sidecar.game.game import Game, Watch
from sidecar.places.finding import places_find
from sidecar.places.links import LinkRoots
from sidecar.places.places import Places
from sidecar.scratch.paths import data_folder, folder_path
from trees import source as trees
from trees.local.tree import LocalTree
from trees.sectors.map import SectorMap
from trees.source import Kind, Left, SourceEntry
from trees.walk import Exclusion, Found
from wire.enums import Consistency

# How long a new attempt waits for the one before it, which ends at its next step. Without the map, a snapshot only
# sends whole blocks.
_MAP_SECONDS: Final = 5.0


class Session:
    """One snapshot that is read. `root` is its open folder; `places` and `patterns` are known once its tree began.

    `counting`: what the patterns left out, complete after the scan.
    """

    tree: LocalTree
    places: Places
    watch: Watch
    patterns: InForce
    counting: Counting

    def __init__(self, call: Call, folder: int, opened: ExitStack) -> None:
        self.call = call
        self.root = folder
        self._opened = opened
        self._changed = threading.Condition()
        self._users = 0
        self._on_end: list[Callable[[], object]] = []
        self._read = False
        self._over = False

    @property
    def is_ending(self) -> bool:
        """Whether nothing more is going to be read for it."""
        return self._over or self.call.stopped()

    def check(self) -> None:
        """Raise the error with which the session was stopped, or `Cancelled` when it is over."""
        self.call.check()
        if self._over:
            raise Cancelled("The snapshot's session has ended.")

    @contextmanager
    def used(self, *, on_end: Callable[[], object] | None = None) -> Iterator[None]:
        """Keep the tree open inside this block; `on_end` is called when the session ends before. Raises as `check`."""
        with self._changed:
            self.check()
            self._users += 1
            if on_end is not None:
                self._on_end.append(on_end)
        try:
            yield
        finally:
            with self._changed:
                self._users -= 1
                if on_end in self._on_end:
                    self._on_end.remove(on_end)
                is_last = self._over and not self._users
            if is_last:
                self._opened.close()

    def finish_reading(self) -> Consistency:
        """Let the game go on; returns the consistency of what was read."""
        consistency = self.watch.end()
        with self._changed:
            self.check()
            self._read = True
        return consistency

    def commit(self, snapshot: bytes) -> None:
        """Keep what was noted as that of `snapshot`, and end the session. Raises `Refused` before all is read."""
        with self.used():
            if not self._read:
                raise Refused("The snapshot is not read to its end.")
            self.tree.commit(snapshot)
            self.end()

    def wait(self) -> None:
        """Wait for `commit`. Raises the error with which the call was stopped."""
        self.call.on_stop(self._wake)
        with self._changed:
            self._changed.wait_for(lambda: self._over or self.call.stopped())
        self.call.check()

    def end(self) -> None:
        """Let what still reads for the session end."""
        with self._changed:
            self._over = True
            told, self._on_end = self._on_end, []
            self._changed.notify_all()
        for tell in told:
            tell()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()


class Sessions:
    """The sessions of one data root, by operation. One of them has the sector map."""

    def __init__(self, *, root: Path, scratch: Path, game: Game, links: LinkRoots, bandwidth: Bandwidth) -> None:
        self._root = root
        self._sectors = scratch / "sectors"
        self._game = game
        self._links = links
        self._bandwidth = bandwidth
        self._changed = threading.Condition()
        self._running: dict[str, Session] = {}
        self._mapping: Session | None = None

    @contextmanager
    def begun(self, call: Call, *, source: str, quiesce: bool, exclude: Exclude) -> Iterator[Session]:
        """The session of a call, open inside this block. Raises `SidecarError`s."""
        opened = ExitStack()
        with ExitStack() as failing:
            failing.callback(opened.close)
            folder = opened.enter_context(data_folder(source, root=self._root))
            session = Session(call, folder, opened)
            sector_map = self._map(session, opened)
            session.watch = opened.enter_context(self._game.watched(quiesce=quiesce))
            session.tree = LocalTree(
                folder_path(folder),
                sector_map=sector_map,
                places=partial(self._places, session, opened),
                exclude=partial(_exclusion, session, exclude),
                pace=partial(self._bandwidth.take, check=session.check),
            )
            opened.callback(session.tree.close)
            self._add(session)
            failing.pop_all()
        with session.used():
            try:
                yield session
            finally:
                self._remove(session)
                session.end()

    def of(self, call: Call) -> Session:
        """The session that a call of the same attempt works for. Raises `Refused` without one."""
        with self._changed:
            session = self._running.get(call.operation)
        if session is None or session.call.fence != call.fence:
            raise Refused("The operation has no snapshot that is being read.")
        return session

    def _map(self, session: Session, opened: ExitStack) -> SectorMap | None:
        """The sector map until `opened` is closed, or None while another session has it.

        Two snapshots that share a map would take each other's sectors for their parent's.
        """
        with self._changed:
            if self._mapping is not None and self._mapping.is_ending:
                self._changed.wait_for(lambda: self._mapping is None or session.is_ending, _MAP_SECONDS)
            if self._mapping is not None:
                return None
            self._mapping = session
        opened.callback(self._unmap)
        return SectorMap(self._sectors)

    def _unmap(self) -> None:
        with self._changed:
            self._mapping = None
            self._changed.notify_all()

    def _add(self, session: Session) -> None:
        with self._changed:
            other = self._running.get(session.call.operation)
            if other is not None and other.call.fence == session.call.fence and not other.call.stopped():
                raise Refused("The operation's snapshot is being read by another call.")
            self._running[session.call.operation] = session

    def _remove(self, session: Session) -> None:
        with self._changed:
            if self._running.get(session.call.operation) is session:
                del self._running[session.call.operation]

    def _places(self, session: Session, opened: ExitStack, root: int) -> Places:
        try:
            session.places = places_find(root, self._links)
        except OSError as error:
            raise trees.SourceFailed(os.strerror(error.errno or 0)) from error
        opened.callback(session.places.close)
        return session.places


def _exclusion(session: Session, exclude: Exclude, root: int) -> Exclusion[SourceEntry]:
    """The patterns of a session's tree; what they leave out is counted, and told as skipped."""
    session.patterns = patterns_read(root, exclude)
    counting = session.counting = Counting(session.places, session.check, session.patterns)

    def excluded(path: bytes, name: bytes, folder: int, status: os.stat_result, number: int) -> SourceEntry:
        counting.leave_out(Found(path, name, folder, status), number)
        return SourceEntry(Kind.SKIPPED, path, None, 0, Left.EXCLUDED.encode())

    return Exclusion(session.patterns.rules, excluded)
