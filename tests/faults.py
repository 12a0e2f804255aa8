"""Scripted faults. A fault that never occurs proves nothing, so its test fails."""

from __future__ import annotations

import mmap
import threading
from collections.abc import Callable
from typing import Any, NoReturn

_scripted: list[Fault] = []


class Fault:
    """A fault that an injector was told to cause. `strike` notes that it occurred, also in a forked child."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.struck = threading.Event()
        self._anywhere = mmap.mmap(-1, 1)

    def strike(self) -> None:
        self._anywhere[0] = 1
        self.struck.set()

    @property
    def missed(self) -> bool:
        """Whether it occurred neither here nor in a forked child."""
        return not self._anywhere[0]


def fault_script(what: str) -> Fault:
    """A fault that must occur before the test ends; `tests/conftest.py` checks that."""
    fault = Fault(what)
    _scripted.append(fault)
    return fault


def raising(error: BaseException | type[BaseException], what: str = "") -> Callable[..., NoReturn]:
    """A function that raises, to replace one that works; the test fails when it is never called."""
    fault = fault_script(what or f"a call that raises {error!r}")

    def fail(*_: Any, **__: Any) -> NoReturn:
        fault.strike()
        raise error

    return fail


def faults_missed() -> list[str]:
    """The faults scripted since the last call that never occurred."""
    missed = [fault.what for fault in _scripted if fault.missed]
    _scripted.clear()
    return missed
