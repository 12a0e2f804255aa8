"""Faults that tests script. One that never strikes proves nothing, so its test fails."""

from __future__ import annotations

import threading

_scripted: list[Fault] = []


class Fault:
    """A fault that an injector was told to cause. `strike` says that it was caused."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.struck = threading.Event()

    def strike(self) -> None:
        self.struck.set()


def fault_script(what: str) -> Fault:
    """A fault that must strike before the test ends; `tests/conftest.py` looks."""
    fault = Fault(what)
    _scripted.append(fault)
    return fault


def faults_missed() -> list[str]:
    """The faults scripted since the last look that never struck."""
    missed = [fault.what for fault in _scripted if not fault.struck.is_set()]
    _scripted.clear()
    return missed
