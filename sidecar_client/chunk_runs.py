"""Sends contents as runs in chunks, each of which is sent before its first run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sidecar_client.upload import pieces_of
from trees.chunk_run import ChunkRun
from wire.chunks import KeptChunks
from wire.framing import data_pack
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire

_RUNS_A_MESSAGE: Final = 4096


class ChunkSender:
    """Sends runs, and the chunks that the receiver does not keep. `put` takes messages."""

    def __init__(self, put: Callable[[bytes], None]) -> None:
        self._put = put
        self._kept: KeptChunks[bytes] = KeptChunks()
        self._numbers: dict[bytes, int] = {}
        self._runs = wire.Runs()
        self._last = (0, 0)

    def run(self, run: ChunkRun) -> None:
        """Send a run, which may wait for `flush`."""
        number = self._numbers.get(run.chunk)
        if number is None:
            number = self._send(run)
        else:
            self._kept.use(number)
        runs = self._runs
        if self._last == (number, run.offset):  # small files lie one behind the other in a chunk
            runs.lengths[-1] += run.length
        else:
            runs.chunks.append(number)
            runs.offsets.append(run.offset)
            runs.lengths.append(run.length)
        self._last = (number, run.offset + run.length)
        if len(runs.chunks) >= _RUNS_A_MESSAGE:
            self.flush()

    def flush(self) -> None:
        """Send the runs that wait."""
        if self._runs.chunks:
            self._put(wire.RestoreTreeRequest(runs=self._taken()).SerializeToString())

    def _send(self, run: ChunkRun) -> int:
        """Send a chunk behind the runs that wait; its number."""
        *pieces, last = pieces_of([run.payload])
        for piece in pieces:
            self._put(data_pack(field=wire.RestoreTreeRequest.CHUNK_FIELD_NUMBER, data=piece))
        rest = wire.RestoreTreeRequest(chunk_bytes=run.size, runs=self._taken()).SerializeToString()
        self._put(data_pack(field=wire.RestoreTreeRequest.CHUNK_FIELD_NUMBER, data=last, rest=rest))
        number, dropped = self._kept.add(run.chunk, size=run.size)
        for chunk in dropped:
            del self._numbers[chunk]
        self._numbers[run.chunk] = number
        return number

    def _taken(self) -> wire.Runs:
        runs, self._runs, self._last = self._runs, wire.Runs(), (0, 0)
        return runs
