"""SHA-256 in a thread of its own, because it is the slowest step of an upload."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Self

from pipelines.ordered import Ordered

AHEAD = 4
"""How many chunks may wait to be hashed, so that memory stays bounded."""


class HashThread:
    """The SHA-256 of chunks that are not changed after they were handed in; hashing releases the GIL."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="sha256")
        self._ahead: Ordered[None] = Ordered(self._pool, limit=AHEAD)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def update(self, chunk: bytes) -> None:
        """Take the next chunk; waits when the thread is too far behind."""
        self._ahead.start(partial(self._digest.update, chunk))

    def hexdigest(self) -> str:
        """The digest of everything handed in so far."""
        self._ahead.finish()
        return self._digest.hexdigest()
