"""A fact that must outlive the daemon, as a file that is there or not."""

import os
from pathlib import Path
from typing import Final

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY
_MADE: Final = os.O_WRONLY | os.O_CREAT
_OWNER_ONLY: Final = 0o600


class FlagFile:
    """One such file; `set` and `clear` are on the disk when they return, and raise OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def present(self) -> bool:
        """Whether it is set."""
        return self._path.exists()

    def set(self) -> None:
        """Make the file."""
        os.close(os.open(self._path, _MADE, _OWNER_ONLY))
        self._sync()

    def clear(self) -> None:
        """Take the file away; one that is not there is no error."""
        self._path.unlink(missing_ok=True)
        self._sync()

    def _sync(self) -> None:
        # An empty file is no more than its name, which the folder holds.
        folder = os.open(self._path.parent, _FOLDER)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
