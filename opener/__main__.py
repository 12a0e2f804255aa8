"""`savepoint-open`, also `python -m opener`: lists, verifies and extracts backups without the portal."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Final, NoReturn

from opener.arguments import PROGRAM, arguments_parse
from opener.errors import Cannot, Exit
from opener.extracting import extract_run
from opener.listing import listing_run
from opener.output import note
from opener.verifying import verify_run
from repository.errors import Damage, RepositoryError, RepositoryKeyWrong
from repository.sealing.frames import SealError, UnknownFormat, WrongKey
from repository.storage import StorageError

INTERRUPTED: Final = 130
_COMMANDS: Final = {"list": listing_run, "verify": verify_run, "extract": extract_run}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0 done, 1 damage found, 2 cannot, with one line on stderr."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _answered(lambda: _run(arguments))
    except KeyboardInterrupt:
        note(f"{PROGRAM}: interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of the pipe has closed it; Python would report it again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.CANNOT


def _run(words: list[str] | None) -> int:
    arguments = arguments_parse(words)
    code = _COMMANDS[arguments.command](arguments)
    sys.stdout.flush()
    return code


def _answered(work: Callable[[], int]) -> int:
    """The exit status of the work. An error becomes one line, never a traceback."""
    try:
        return work()
    except (KeyboardInterrupt, BrokenPipeError):
        raise
    except Exception as error:  # noqa: BLE001  # an unforeseen error is one line, too
        code, reason = _told(error)
        note(f"{PROGRAM}: {reason}")
        return code


def _told(error: Exception) -> tuple[Exit, str]:
    for kinds, code, told in _TOLD:
        if isinstance(error, kinds):
            return code, told.format(error)
    if isinstance(error, OSError) and error.strerror:
        return Exit.CANNOT, f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return Exit.CANNOT, f"this is a fault of the program, not of your backups: {type(error).__name__}: {error}"


_TOLD: Final[list[tuple[type[Exception] | tuple[type[Exception], ...], Exit, str]]] = [
    (Cannot, Exit.CANNOT, "{}"),
    ((RepositoryKeyWrong, WrongKey), Exit.CANNOT, "key unavailable: {}"),
    (UnknownFormat, Exit.CANNOT, "it was stored by a later release: {}"),
    ((Damage, SealError), Exit.DAMAGED, "damaged: {}"),
    (RepositoryError, Exit.CANNOT, "{}"),
    (StorageError, Exit.CANNOT, "storage error: {}"),
]


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
