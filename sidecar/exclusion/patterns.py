"""The patterns in force for one backup: those of the call, and those of the file `.savepointignore` in its source."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import Final

from sidecar.errors import Refused
from trees.beneath import open_for_reading
from trees.patterns import (
    LAYER_MAX,
    FolderPatterns,
    PatternRefused,
    impossible_lines,
    is_pattern,
    patterns_compile,
    patterns_split,
)

IGNORE_FILE: Final = b".savepointignore"
_FILE_BYTES_MAX: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class Exclude:
    """The patterns of a call. `ignore_file`: whether the file counts, after the patterns `before`."""

    before: tuple[bytes, ...] = ()
    after: tuple[bytes, ...] = ()
    ignore_file: bool = False


@dataclass(frozen=True, slots=True)
class InForce:
    """The patterns in force, in their order: a rule's number is the place of its line, counted from 1.

    `of_file`: how many of the `lines`, from the index `file_at` on, are the ignore file's. `impossible`: the numbers
    of its wrong lines, which leave out nothing. `file_wrong`: it has such lines, or could not be read whole.
    """

    lines: tuple[bytes, ...] = ()
    rules: FolderPatterns | None = None
    file_at: int = 0
    of_file: int = 0
    impossible: frozenset[int] = frozenset()
    file_wrong: bool = False

    @property
    def texts(self) -> tuple[bytes, ...]:
        """The patterns that can leave something out."""
        return tuple(line for number, line in enumerate(self.lines, 1) if number not in self.impossible)


NO_EXCLUDE: Final = Exclude()
NO_PATTERNS: Final = InForce()


def patterns_read(folder: int, exclude: Exclude) -> InForce:
    """The patterns in force for the open folder that is backed up.

    A line of the ignore file that is no pattern leaves out nothing, and neither does a file that cannot be read or is
    too large. Raises Refused for a wrong pattern of the call: the portal checks them.
    """
    told = _ignore_file(folder) if exclude.ignore_file else []
    of_file = (told or [])[:LAYER_MAX]
    lines = (*exclude.before, *of_file, *exclude.after)
    at = len(exclude.before)
    impossible = frozenset(at + line for line in impossible_lines(of_file))
    usable = [b"" if number in impossible else line for number, line in enumerate(lines, 1)]
    try:
        rules = patterns_compile(usable)
    except PatternRefused as error:
        raise Refused(f"The pattern {error.line} is refused: {error.fault}.") from error
    wrong = told is None or len(told) > LAYER_MAX or bool(impossible)
    return InForce(lines, rules, at, len(of_file), impossible, wrong)


def _ignore_file(folder: int) -> list[bytes] | None:
    """The patterns of the ignore file, none without one; None for a file that cannot be read or is too large."""
    try:
        descriptor = open_for_reading(IGNORE_FILE, folder)
    except FileNotFoundError:
        return []
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _FILE_BYTES_MAX:
            return None
        return [line for line in patterns_split(os.pread(descriptor, _FILE_BYTES_MAX, 0)) if is_pattern(line)]
    except OSError:
        return None
    finally:
        os.close(descriptor)
