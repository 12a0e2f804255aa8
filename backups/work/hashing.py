"""SHA-256 in a thread of its own, because it is the slowest step of an upload."""

from __future__ import annotations

import hashlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

AHEAD = 4
"""How many chunks may wait to be hashed, so that memory stays bounded."""


class HashThread:
    """The SHA-256 of chunks that are not changed after they were handed in; hashing releases the GIL."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="sha256")
        self._ahead: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def update(self, chunk: bytes) -> None:
        """Take the next chunk; waits when the thread is too far behind."""
        if len(self._ahead) >= AHEAD:
            self._ahead.popleft().result()
        self._ahead.append(self._pool.submit(self._digest.update, chunk))

    def hexdigest(self) -> str:
        """The digest of everything handed in so far."""
        while self._ahead:
            self._ahead.popleft().result()
        return self._digest.hexdigest()
