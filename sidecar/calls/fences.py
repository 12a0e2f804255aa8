"""The highest fence seen of each operation, kept on disk.

A worker that was considered dead may come back with its old fence after another one has taken the operation. Its calls
must be refused, even if the sidecar was restarted in between.
"""

import json
import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from sidecar.errors import Refused, StartError

_log = logging.getLogger("sidecar")

OPERATIONS_KEPT: Final = 1000
"""Operations run one at a time on a server: workers of operations older than these are long gone."""


class Fences:
    """Fences by operation, the latest change at the end. Not thread-safe: the caller holds a lock."""

    def __init__(self, path: Path) -> None:
        """Load the file of an earlier process from `path`; raises `StartError` when it is damaged."""
        self._path = path
        self._fences = _read(path)

    def admit(self, *, operation: str, fence: int) -> None:
        """Remember a new fence. Raises `Refused` for one below the highest seen of its operation."""
        highest = self._fences.get(operation, -1)
        if fence < highest:
            raise Refused("A newer attempt of this operation has taken over.")
        if fence > highest:
            self._fences.pop(operation, None)
            self._fences[operation] = fence
            while len(self._fences) > OPERATIONS_KEPT:
                del self._fences[next(iter(self._fences))]
            self._write()

    def _write(self) -> None:
        written = self._path.with_suffix(".new")
        try:
            with written.open("w", encoding="ascii") as file:
                json.dump(self._fences, file)
                file.flush()
                os.fsync(file.fileno())
            written.replace(self._path)
        except OSError as error:
            # A full disk must not stop a call that deletes files. The fence is lost only if the daemon restarts now.
            _log.warning("fences could not be written: %s", error.strerror)
            with suppress(OSError):  # a read-only file system keeps the old file
                written.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, int]:
    try:
        fences = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError:
        fences = None
    if not isinstance(fences, dict) or not all(type(fence) is int for fence in fences.values()):
        raise StartError(f"{path} is damaged; without it, calls of superseded workers would be accepted")
    return fences
