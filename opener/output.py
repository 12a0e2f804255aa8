"""Output for the user, and files that appear only when they are complete."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from opener.errors import Cannot
from repository.sealing.frames import SealError
from targets.local_files import unlink_unless_locked

_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")
DAMAGED = ".damaged"
_NAME_BYTES_MAX = 255
_TICK_SECONDS = 0.5
_STEP = 1000
_PARTIAL = ".partial"
# A new file is unlocked for a moment, and must not count as a leftover then.
_GRACE_SECONDS = 60


def say(text: str = "") -> None:
    """Print a line of the result to standard output."""
    sys.stdout.write(f"{text}\n")


def note(text: str) -> None:
    """Print a remark to standard error."""
    sys.stderr.write(f"{text}\n")


def shown(text: str) -> str:
    """A customer's text without terminal control characters."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def size_shown(size: float) -> str:
    """A number of bytes with a unit, for display."""
    power = 0
    while size >= _STEP and power < len(_UNITS) - 1:
        size, power = size / _STEP, power + 1
    return f"{size:.1f} {_UNITS[power]}" if power else f"{size:.0f} {_UNITS[0]}"


class Status:
    """A status line on a terminal, with the progress of long work; without a terminal nothing is shown."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._told = time.monotonic()
        self._terminal = sys.stderr.isatty()

    def tell(self, text: str) -> None:
        """Show a text; calls in quick succession are skipped."""
        if self._terminal and time.monotonic() - self._told >= _TICK_SECONDS:
            self._told = time.monotonic()
            sys.stderr.write(f"\r\x1b[K{self._what}: {text}")
            sys.stderr.flush()

    def close(self) -> None:
        """Clear the line."""
        if self._terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


class Progress(Status):
    """A status line with the bytes done, the total and the speed."""

    def __init__(self, what: str, total: int | None) -> None:
        super().__init__(what)
        self._total = total
        self._done = 0
        self._begun = time.monotonic()

    def add(self, count: int) -> None:
        """Add bytes to the progress."""
        self.at(self._done + count, self._total)

    def at(self, done: int, total: int | None) -> None:
        """Set the progress: bytes done, of a total."""
        self._done = done
        whole = "" if total is None else f" of {size_shown(total)}"
        rate = done / max(time.monotonic() - self._begun, _TICK_SECONDS)
        self.tell(f"{size_shown(done)}{whole}, {size_shown(rate)}/s")


def _cut(name: str, bytes_max: int) -> str:
    """Truncate a file's name at a character to at most `bytes_max` bytes: file systems count bytes."""
    encoded = os.fsencode(name)
    return name if len(encoded) <= bytes_max else encoded[:bytes_max].decode(errors="ignore")


@contextmanager
def file_appears(path: Path, *, force: bool, size: int, keep_damaged: bool) -> Iterator[IO[bytes]]:
    """Write a new file under a temporary name; it is synced and gets its name when the block ends.

    An error in the block deletes it; after damage, `keep_damaged` keeps it as `PATH.damaged`. Raises `Cannot` when the
    file exists (unless `force`), the folder is missing, or the room is not enough.
    """
    if not force and os.path.lexists(path):
        raise Cannot(f"{path} is there already; --force replaces it")
    if not path.parent.is_dir():
        raise Cannot(f"there is no folder {path.parent}")
    free = shutil.disk_usage(path.parent).free
    if free < size:
        raise Cannot(f"no room in {path.parent}: it needs {size_shown(size)}, {size_shown(free)} are free")
    prefix = f".{_cut(path.name, 200)}."
    _leftovers_remove(path.parent, prefix)
    descriptor, partial = tempfile.mkstemp(prefix=prefix, suffix=_PARTIAL, dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield file
            file.flush()
            os.fsync(descriptor)
        _rename(Path(partial), path, force=force)
    except SealError:
        if keep_damaged:
            _rename(
                Path(partial), path.with_name(f"{_cut(path.name, _NAME_BYTES_MAX - len(DAMAGED))}{DAMAGED}"), force=True
            )
        raise
    finally:
        with suppress(FileNotFoundError):
            Path(partial).unlink()


def _leftovers_remove(folder: Path, prefix: str) -> None:
    """Delete leftovers of killed commands for the same file; a running command holds a lock on its own."""
    for left in folder.iterdir():
        if not (left.name.startswith(prefix) and left.name.endswith(_PARTIAL)):
            continue
        with suppress(OSError):  # another command's, or another user's
            if time.time() - left.lstat().st_mtime >= _GRACE_SECONDS:
                unlink_unless_locked(left)


def _rename(partial: Path, path: Path, *, force: bool) -> None:
    if force:
        partial.replace(path)
        return
    try:
        path.hardlink_to(partial)
    except FileExistsError:
        raise Cannot(f"{path} is there already; --force replaces it") from None
    except OSError:
        # A file system without hard links, such as a USB stick or a share. Another program is unlikely to create the
        # same file now.
        if os.path.lexists(path):
            raise Cannot(f"{path} is there already; --force replaces it") from None
        partial.rename(path)
