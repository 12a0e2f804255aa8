"""The highest fence seen of each operation, remembered over restarts.

A worker that was thought dead may come back with its old fence while another has the operation: it must find its
calls refused, also when the sidecar was restarted in between.
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
"""Operations run one at a time on a server: these are some of the last, whose workers are long gone."""


class Fences:
    """Fences by operation, the one that rose last at the end. Not safe for threads: its caller holds a lock."""

    def __init__(self, path: Path) -> None:
        """Load what an earlier process wrote to `path`; raises `StartError` when that is not what it wrote."""
        self._path = path
        self._fences = _read(path)

    def admit(self, *, operation: str, fence: int) -> None:
        """Remember a fence that is new. Raises `Refused` for one below the highest seen of its operation."""
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
            # A full disk must not keep a call from deleting; until the next write only a restart forgets.
            _log.warning("fences could not be written: %s", error.strerror)
            with suppress(OSError):  # a read-only one keeps what there is
                written.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, int]:
    try:
        fences = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError:
        fences = None
    if not isinstance(fences, dict) or not all(type(fence) is int for fence in fences.values()):
        raise StartError(f"{path} is damaged; without it, calls of lost workers would be taken for new ones")
    return fences
