"""The data behind a sidecar as the source of a snapshot."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

import grpc

from pipelines.pipe import Closed, Pipe
from sidecar_client.archive_stream import warnings_from_wire
from sidecar_client.errors import SidecarClientError, SidecarUnavailable, SourceFailed
from sidecar_client.estimate import exclude_message, excluded_from_wire
from sidecar_client.methods import Methods
from sidecar_client.snapshot.arrivals import Arrivals
from sidecar_client.snapshot.files import RemoteFile
from sidecar_client.snapshot.items import Item
from sidecar_client.status import error_from_status, status_translated
from sidecar_client.streams import MESSAGES_WAITING, replies_of
from sidecar_client.values import ArchiveWarning, Exclude, Excluded, Timeouts
from sidecar_client.waiting import Patience
from trees.limits import ENTRIES_MAX
from trees.paths import is_reserved, walk_order
from trees.source import Kind, Left, SourceEntry, Wanted
from wire.enums import Consistency
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire
from wire.tree_entries import entries_unpack, wanted_pack

# A request waits without a limit here: the snapshot bounds it by `ahead`, and the sidecar must never wait for
# a request while the snapshot waits for the sidecar.
_REQUESTS_MAX: Final = 1 << 30
_KNOWN_BYTES_A_REQUEST: Final = 1 << 20

# The two calls end at nearly the same time.
_CAUSE_SECONDS: Final = 1.0
_LEFT: Final = frozenset(left.encode() for left in Left)

_Key = tuple[bytes, tuple[int, int], bool]


class TreeSource:
    """A context manager and a `trees.source.Source`; leaving it before `commit` discards what the sidecar noted.

    Its calls raise `SourceGone` about one entry, and about the whole `Cancelled`, `SidecarUnavailable`, the sidecar's
    error, or `SourceFailed` when the sidecar sends what cannot be. `cancelled` is called by every thread that waits.
    After `begin`, `bytes_total` has the bytes of all files, if they were to be counted. After the scan,
    `warnings_total` and `warnings` (the first 1000) tell what the snapshot has and a restore leaves alone, and
    `excluded` what patterns left out. After `finish`, `consistency` is that of the data.
    """

    ahead = 2048

    def __init__(  # noqa: PLR0913 - each names one thing
        self,
        *,
        methods: Methods,
        metadata: tuple[tuple[str, str], ...],
        ticket: wire.Ticket,
        source: str,
        quiesce: bool,
        count: bool,
        exclude: Exclude,
        timeouts: Timeouts,
        cancelled: Callable[[], bool],
    ) -> None:
        self.bytes_total = 0
        self.warnings_total = 0
        self.warnings: tuple[ArchiveWarning, ...] = ()
        self.excluded = Excluded()
        self.consistency = Consistency.LIVE
        self._methods = methods
        self._metadata = metadata
        self._ticket = ticket
        self._scanning = wire.ScanTreeRequest(
            ticket=ticket, source=source, quiesce=quiesce, count=count, exclude=exclude_message(exclude)
        )
        self._timeouts = timeouts
        self._patience = Patience(stall=timeouts.stall, cancelled=cancelled)
        self._told: Pipe[wire.ScanTreeReply] = Pipe(MESSAGES_WAITING)
        self._requests: Pipe[wire.ReadTreeRequest] = Pipe(_REQUESTS_MAX)
        self._arrivals = Arrivals(self._patience, explain=self._explained)
        self._lock = threading.Lock()
        self._waiting: dict[_Key, Item] = {}
        self._started = 0
        self._scan: Any = None
        self._ends: list[Callable[[], object]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for end in reversed(self._ends):
            end()

    def begin(self, parent: bytes | None) -> int:
        """Begin a snapshot with that parent; return the sidecar's time now, in ns since 1970."""
        self._scanning.parent = parent or b""
        self._scan = scan = self._methods.scan_tree(self._scanning, metadata=self._metadata)
        self._ends += [self._told.close, scan.cancel]
        self._told.feed(replies_of(scan, alive=self._patience.alive), name="tree-entries")
        began = self._next_told()
        if began is None or not began.HasField("began"):
            raise SourceFailed("The sidecar did not begin.")
        self.bytes_total, self._started = began.began.bytes_total, began.began.started_ns
        self._read()
        return began.began.began_ns

    def started(self) -> int:
        """The time at which the sidecar's machine started, in ns since 1970."""
        return self._started

    def scan(self) -> Iterator[SourceEntry]:
        """All entries, in the manifest's order, the root folder first."""
        order, count = b"", 0
        while (told := self._next_told()) is not None:
            if told.HasField("ended"):
                if not count:
                    break
                self.warnings_total = told.ended.warnings_total
                self.warnings = warnings_from_wire(told.ended.warnings)
                self.excluded = excluded_from_wire(told.ended.excluded)
                return
            for entry in _entries(told.entries):
                key = walk_order(entry.path)
                if (key <= order if count else (key or entry.kind is not Kind.FOLDER)) or count > ENTRIES_MAX:
                    raise SourceFailed("The sidecar sent entries out of order.")
                _check(entry)
                order, count = key, count + 1
                yield entry
        raise SourceFailed("The sidecar stopped before it had sent all entries.")

    def xattrs(self, entry: SourceEntry) -> dict[bytes, bytes] | None:
        """The `user.*` attributes of a folder, or None when there are none."""
        with self._file(Wanted(entry)) as folder:
            return folder.xattrs()

    def expect(self, wanted: Sequence[Wanted]) -> None:
        """Ask for what will be read next."""
        begin = held = 0
        for number, each in enumerate(wanted):
            held += len(each.known)
            if held > _KNOWN_BYTES_A_REQUEST:
                self._ask(wanted[begin:number])
                begin, held = number, len(each.known)
        self._ask(wanted[begin:])

    def open(self, entry: SourceEntry, *, in_place: bool, span: tuple[int, int] | None = None) -> RemoteFile:
        """Open a file; what was not expected so is asked for by a call of its own."""
        return self._file(Wanted(entry, (0, entry.size) if span is None else span, in_place))

    def look(self, path: bytes) -> SourceEntry | None:
        """The file that is at a path now; None when there is none that can be read."""
        try:
            with status_translated():
                reply = self._methods.look_tree(
                    wire.LookTreeRequest(ticket=self._ticket, path=path),
                    timeout=self._timeouts.reply,
                    metadata=self._metadata,
                )
        except SidecarClientError as error:
            raise self._explained(error) from error
        found = _entries(reply.entries)
        if not found:
            return None
        if len(found) > 1 or found[0].kind is not Kind.FILE or found[0].path != path:
            raise SourceFailed("The sidecar told another file than it was asked for.")
        return found[0]

    def finish(self) -> dict[str, str]:
        """End the reading, so that the game goes on; returns the data's consistency as a label."""
        self._requests.finish()
        self.consistency = self._arrivals.wait_end()
        return {"consistency": self.consistency.value}

    def commit(self, snapshot: bytes) -> None:
        """Let the sidecar note the state as that of `snapshot`. Raises `SourceFailed` when it does not."""
        try:
            with status_translated():
                self._methods.commit_tree(
                    wire.CommitTreeRequest(ticket=self._ticket, snapshot=snapshot),
                    timeout=self._timeouts.reply,
                    metadata=self._metadata,
                )
        except SidecarClientError as error:
            raise SourceFailed("The sidecar did not note the snapshot.") from error

    def _read(self) -> None:
        self._requests.put(wire.ReadTreeRequest(ticket=self._ticket))
        call: Any = self._methods.read_tree(iter(self._requests), metadata=self._metadata)
        # The stubs leave it out.
        call.add_done_callback(lambda _: self._requests.close())
        self._arrivals.receive(call)
        self._ends += [self._requests.close, self._arrivals.close]

    def _next_told(self) -> wire.ScanTreeReply | None:
        while (told := self._patience.wait(self._told.take)) is not None:
            if told.HasField("began") or told.HasField("entries") or told.HasField("ended"):
                return told
        return None

    def _ask(self, wanted: Sequence[Wanted]) -> None:
        if not wanted:
            return
        items = self._arrivals.expect(wanted)
        with self._lock:
            self._waiting.update(zip(map(_key, wanted), items, strict=True))
        try:
            self._requests.put(wanted_pack(wanted))
        except Closed:
            return  # the call has ended, and whoever waits for an item gets its error

    def _file(self, wanted: Wanted) -> RemoteFile:
        with self._lock:
            item = self._waiting.pop(_key(wanted), None)
        if item is not None:
            return RemoteFile(self._arrivals, item, self._fetch)
        return RemoteFile(*self._fetch(wanted), self._fetch, owned=True)

    def _fetch(self, wanted: Wanted) -> tuple[Arrivals, Item]:
        """Ask for something beside the reading that goes on."""
        arrivals = Arrivals(self._patience, explain=self._explained)
        (item,) = arrivals.expect([wanted])
        request = wanted_pack([wanted])
        request.ticket.CopyFrom(self._ticket)
        request.aside = True
        arrivals.receive(self._methods.read_tree(iter([request]), metadata=self._metadata))
        return arrivals, item

    def _explained(self, error: SidecarClientError) -> SidecarClientError:
        """The error of the session, whose end cancels what reads for it, if that is the cause."""
        if not isinstance(error, SidecarUnavailable) or self._scan is None:
            return error
        with suppress(grpc.FutureTimeoutError, grpc.FutureCancelledError):
            cause = self._scan.exception(_CAUSE_SECONDS)
            return error_from_status(cause) if isinstance(cause, grpc.RpcError) else error
        return error


def _key(wanted: Wanted) -> _Key:
    return wanted.entry.path, wanted.span, wanted.in_place


def _entries(message: wire.TreeEntries) -> list[SourceEntry]:
    try:
        return entries_unpack(message)
    except ValueError as error:
        raise SourceFailed("The sidecar sent entries that cannot be.") from error


def _check(entry: SourceEntry) -> None:
    """Raise `SourceFailed` for an entry that no tree has."""
    paths = [entry.path] if entry.kind is not Kind.HARDLINK else [entry.path, entry.target or b""]
    for path in paths:
        framed = b"/" + path + b"/"
        if path and (b"//" in framed or b"/./" in framed or b"/../" in framed or b"\0" in path or is_reserved(path)):
            raise SourceFailed("The sidecar sent a path that leads elsewhere.")
    if entry.kind is Kind.SKIPPED and entry.target not in _LEFT:
        raise SourceFailed("The sidecar sent a reason that the portal does not know.")
