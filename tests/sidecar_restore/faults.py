"""A file system that counts its steps, and at one of them fails, dies, or runs other code."""

from __future__ import annotations

import errno
import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

from tests.faults import Fault, fault_script
from trees.filesystem import Filesystem


class Stepping(Filesystem):
    """Runs `before(step, name)` before each call and `after(step, name)` after it; steps count from 1."""

    def __init__(
        self,
        *,
        before: Callable[[int, str], None] = lambda _step, _name: None,
        after: Callable[[int, str], None] = lambda _step, _name: None,
        can_exchange: bool = True,
    ) -> None:
        super().__init__()
        self.before = before
        self.after = after
        self._can_exchange = can_exchange
        self.steps: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        attribute = super().__getattribute__(name)
        if name not in vars(Filesystem) or name.startswith("_"):
            return attribute

        def step(*args: Any, **kwargs: Any) -> Any:
            self.steps.append(name)
            number = len(self.steps)
            self.before(number, name)
            result = False if name == "exchange" and not self._can_exchange else attribute(*args, **kwargs)
            self.after(number, name)
            return result

        return step


def fails_at(wanted: int, *, number: int = errno.EIO, must_strike: bool = True) -> Callable[[int, str], None]:
    """Raise an error once, at one step; `must_strike`: the test fails when that step never came."""
    fault = (fault_script if must_strike else Fault)(f"an error at step {wanted}")

    def act(step: int, _name: str) -> None:
        if step == wanted:
            fault.strike()
            raise OSError(number, os.strerror(number))

    return act


def dies_at(wanted: int, *, must_strike: bool = True) -> Callable[[int, str], None]:
    """Kill the process at one step; `must_strike` as in `fails_at`."""
    fault = (fault_script if must_strike else Fault)(f"death at step {wanted}")

    def act(step: int, _name: str) -> None:
        if step == wanted:
            fault.strike()
            os.kill(os.getpid(), signal.SIGKILL)

    return act


def in_child(work: Callable[[], object]) -> int:
    """Run some work in a child process; returns 0 if it completed, or the negative signal that killed it."""
    gc.freeze()  # a collection in the child would write to the page of every object, and so copy the whole memory
    child = os.fork()
    if child == 0:
        gc.disable()
        try:
            work()
        except BaseException:  # noqa: BLE001 - the child must never return into the test runner's code
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    gc.unfreeze()
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)
