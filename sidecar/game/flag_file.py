"""A boolean that outlives the daemon: a file that exists or not."""

import os
from pathlib import Path
from typing import Final

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY
_MADE: Final = os.O_WRONLY | os.O_CREAT
_OWNER_ONLY: Final = 0o600


class FlagFile:
    """One such file; `set` and `clear` sync to the disk before they return, and raise OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def present(self) -> bool:
        """Whether the file exists."""
        return self._path.exists()

    def set(self) -> None:
        """Create the file."""
        os.close(os.open(self._path, _MADE, _OWNER_ONLY))
        self._sync()

    def clear(self) -> None:
        """Remove the file; a missing one is no error."""
        self._path.unlink(missing_ok=True)
        self._sync()

    def _sync(self) -> None:
        # An empty file is only its name: sync the folder that holds it.
        folder = os.open(self._path.parent, _FOLDER)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
