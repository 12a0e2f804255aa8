"""Processes that do not outlive their parent, even when it is killed (Linux; elsewhere nothing ends them).

As a program it becomes another one that ends with its parent: `python -m common.parent_death PARENT_PID PROGRAM
ARGUMENT…`. The kernel keeps the parent-death signal over exec.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
"""prctl(2)."""


def end_with_parent(number: signal.Signals, *, parent: int) -> None:
    """Have the kernel send this process `number` when its parent ends; end at once when `parent` is gone already."""
    _prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        sys.exit(1)


def orphans_adopt() -> None:
    """Become the parent of every descendant whose own parent ends."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, argument: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, argument, 0, 0, 0)


def main() -> None:
    """Have this process end with its parent, then exec the program."""
    end_with_parent(signal.SIGTERM, parent=int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606  # there is nothing for a shell


if __name__ == "__main__":
    main()
