"""Writing chunks: each stored once, sealed straight into the buffer of a pack, which is sent when it is full."""

from __future__ import annotations

import mmap
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from repository.chunked.chunks.chunk import ChunkCipher, ChunkType, Compressor, Location
from repository.chunked.index.index import Index
from repository.chunked.index.table import Table
from repository.chunked.objects import PACKS, Objects, id_new
from repository.chunked.pack_layout import HEADER_SIZE, PACK_SIZE, Entry, header, tail

MIB = 1 << 20
# One fills while another is on its way to storage.
BUFFERS = 2
MANIFEST_PACK_SIZE = 8 * MIB
# After so many packs an index object names them, so that whoever comes after an interruption need not read them.
PACKS_PER_INDEX = 64
# Ids that were found in the index and are asked for again soon, as those of bundles are.
SEEN_MAX = 1 << 15
# Chunks of a few bytes, as of a file that is mostly holes, fill neither directories nor memory.
CHUNKS_PER_PACK = 1 << 14
CHUNKS_PER_INDEX = 1 << 14


@dataclass(slots=True)
class _Pack:
    """A pack being filled. `writing` counts the chunks that were given room and are not sealed yet."""

    name: bytes
    buffer: mmap.mmap
    view: memoryview
    offset: int
    entries: list[Entry] = field(default_factory=list)
    writing: int = 0
    closed: bool = False

    def is_full(self, length: int, size: int) -> bool:
        """Whether so many more bytes belong into another pack."""
        begun = self.offset > HEADER_SIZE
        return begun and (self.offset + length > size or len(self.entries) + self.writing >= CHUNKS_PER_PACK)


class PackQueue:
    """Packs of one type: gives room to any thread, and sends what is full; at most two buffers are in use."""

    def __init__(self, objects: Objects, *, head: bytes, size: int, stored: _Stored) -> None:
        self._objects = objects
        self._head = head
        self._size = size
        self.sent_bytes = 0
        self._stored = stored
        self._free: list[mmap.mmap] = []
        self._made = 0
        self._turn = threading.Condition()
        self._open: _Pack | None = None
        self._sender = ThreadPoolExecutor(1, thread_name_prefix="pack-sender")
        self._error: BaseException | None = None

    def reserve(self, length: int) -> tuple[_Pack, int, memoryview]:
        """Room for a chunk's stored bytes: the pack, the offset in it and the view to write to.

        Waits while both buffers are busy. Raises what sending an earlier pack raised.
        """
        with self._turn:
            while True:
                self._raise()
                pack = self._open
                if pack is None:
                    self._begin()
                elif pack.is_full(length, self._size):
                    self._close(pack)
                else:
                    at = pack.offset
                    pack.offset += length
                    pack.writing += 1
                    return pack, at, pack.view[at : at + length]

    def written(self, pack: _Pack, entry: Entry) -> None:
        """The chunk is sealed where it was given room."""
        with self._turn:
            pack.entries.append(entry)
            pack.writing -= 1
            self._send_if_done(pack)

    def fail(self, error: BaseException) -> None:
        """Nothing more is stored: whoever waits, or comes, is told why."""
        with self._turn:
            self._error = self._error or error
            self._turn.notify_all()

    def flush(self) -> None:
        """Send what is there."""
        with self._turn:
            if self._open is not None:
                self._close(self._open)

    def finish(self) -> None:
        """Send what is there and wait until all is stored; raises what sending raised."""
        self.flush()
        with self._turn:
            self._turn.wait_for(lambda: self._error or len(self._free) == self._made)
            self._raise()

    def end(self) -> None:
        """Give the thread back; what is on its way is waited for, what is not sent is dropped."""
        self._sender.shutdown(wait=True, cancel_futures=True)

    def _begin(self) -> None:
        """Open a new pack, or wait once for a buffer. A buffer can hold one chunk more than a pack."""
        if self._free:
            buffer = self._free.pop()
        elif self._made < BUFFERS:
            self._made += 1
            buffer = mmap.mmap(-1, self._size + 9 * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            # A few large pages are had sooner than ten thousand small ones, by a kernel that has them.
            with suppress(OSError):
                buffer.madvise(mmap.MADV_HUGEPAGE)
        else:
            self._turn.wait()
            return  # somebody else may have been faster
        view = memoryview(buffer)
        view[:HEADER_SIZE] = self._head
        self._open = _Pack(id_new(), buffer, view, HEADER_SIZE)

    def _close(self, pack: _Pack) -> None:
        pack.closed = True
        self._open = None
        self._send_if_done(pack)

    def _send_if_done(self, pack: _Pack) -> None:
        if pack.closed and not pack.writing:
            self._sender.submit(self._store, pack)

    def _store(self, pack: _Pack) -> None:
        try:
            pack.entries.sort(key=lambda entry: entry[1].offset)
            end = tail(self._objects, pack.name, pack.entries)
            self._objects.put_raw(PACKS, pack.name, [pack.view[: pack.offset], end])
            self.sent_bytes += pack.offset + len(end)
            self._stored.add(pack.name, pack.offset + len(end), pack.entries)
        except BaseException as error:  # noqa: BLE001  # raised to whoever writes next
            self.fail(error)
        finally:
            with self._turn:
                self._free.append(pack.buffer)
                self._turn.notify_all()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error


class _Stored:
    """What is in storage, and which of it no index object names yet."""

    def __init__(self, index: Index, known: set[bytes]) -> None:
        self._index = index
        self._known = known
        self._entries: list[Entry] = []
        self._sizes: dict[bytes, int] = {}
        self._lock = threading.Lock()

    def add(self, pack: bytes, size: int, entries: list[Entry]) -> None:
        """Take note of a pack that is in storage; sometimes this writes an index object."""
        with self._lock:
            self._sizes[pack] = size
            self._entries += entries
            if len(self._sizes) >= PACKS_PER_INDEX or len(self._entries) >= CHUNKS_PER_INDEX:
                self._index_write()

    def finish(self) -> None:
        """Have an index object name everything."""
        with self._lock:
            if self._sizes:
                self._index_write()

    def _index_write(self) -> None:
        """From here on the index knows these chunks, in less memory than a set of their ids."""
        self._index.store(self._entries, self._sizes)
        self._known.difference_update([chunk for chunk, _ in self._entries])
        self._entries, self._sizes = [], {}


class ChunkWriter:
    """Stores chunks that the repository does not have; any thread may call."""

    def __init__(self, objects: Objects, cipher: ChunkCipher, index: Index) -> None:
        self._cipher = cipher
        self._index = index
        self._known: set[bytes] = set()
        self._seen: set[bytes] = set()
        self._stored = _Stored(index, self._known)
        head = header(cipher.suite)
        self._queues = {
            ChunkType.DATA: PackQueue(objects, head=head, size=PACK_SIZE, stored=self._stored),
            ChunkType.MANIFEST: PackQueue(objects, head=head, size=MANIFEST_PACK_SIZE, stored=self._stored),
        }
        self._lock = threading.Lock()
        self.added_bytes = 0

    @property
    def stored_bytes(self) -> int:
        """What the packs that were sent so far take."""
        return sum(queue.sent_bytes for queue in self._queues.values())

    def has(self, chunk: bytes) -> bool:
        """Whether a snapshot may name the chunk: it is here, or is just being written."""
        if chunk in self._known or chunk in self._seen:
            return True
        if not self._index.reusable(chunk):
            return False
        if len(self._seen) >= SEEN_MAX:
            self._seen.clear()
        self._seen.add(chunk)
        return True

    def store(self, type_: ChunkType, plain: memoryview, hashes: bytes, compressor: Compressor) -> bytes:
        """The id of a chunk with these bytes, stored if the repository did not have it. Raises `StorageError`."""
        chunk, is_new = self.claim(type_, len(plain), hashes)
        if is_new:
            self.seal(type_, chunk, plain, compressor)
        return chunk

    def claim(self, type_: ChunkType, size: int, hashes: bytes) -> tuple[bytes, bool]:
        """The id of a chunk with these block hashes, and whether it is new: then the caller has to `seal` it."""
        chunk = self._cipher.chunk_id(type_, hashes)
        if self.has(chunk):
            return chunk, False
        with self._lock:
            if chunk in self._known:
                return chunk, False
            self._known.add(chunk)
            self.added_bytes += size
        return chunk, True

    def adopt(self, pack: bytes, size: int, entries: list[Entry]) -> None:
        """Use a pack that no index names: what an interrupted snapshot left."""
        self._index.take(Table.build(entries, {pack: size}))
        self._stored.add(pack, size, entries)

    def finish(self) -> None:
        """Wait until every chunk is in storage and indexed; raises what storing raised."""
        for queue in self._queues.values():
            queue.flush()  # on their way side by side
        for queue in self._queues.values():
            queue.finish()
        self._stored.finish()

    def end(self) -> None:
        """Give threads and memory back, also after a failure."""
        for queue in self._queues.values():
            queue.end()

    def seal(self, type_: ChunkType, chunk: bytes, plain: memoryview, compressor: Compressor) -> None:
        """Put a claimed chunk into a pack. Raises `StorageError`."""
        queue = self._queues[type_]
        try:
            compression, payload = compressor.payload(plain)
            size, length = len(plain), len(payload) + self._cipher.overhead
            pack, offset, room = queue.reserve(length)
            self._cipher.seal_into(room, payload, chunk_id=chunk, type_=type_, compression=compression, plain_size=size)
        except BaseException as error:
            # Others may name the chunk already, or wait for the pack.
            queue.fail(error)
            raise
        queue.written(pack, (chunk, Location(pack.name, offset, length, size, type_, compression)))
