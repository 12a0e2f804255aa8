"""Counts and reports the progress of an extraction, and checks for a cancel while one is possible."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from sidecar.errors import Cancelled
from wire.enums import Phase

_EVERY_BYTES = 4 << 20
_EVERY_STEPS = 256
_UNTOUCHED = (Phase.COMPARING, Phase.STAGING, Phase.STOPPING)


@dataclass(frozen=True, slots=True)
class ExtractProgress:
    """The progress of the phase: bytes of file content and number of members (without folders) that were compared,
    or staged or found to stay.
    """

    phase: Phase
    bytes_done: int
    files: int


class ProgressMeter:
    """Reports at each change of phase, and after 4 MiB or 256 steps within one."""

    def __init__(self, report: Callable[[ExtractProgress], None], cancelled: Callable[[], bool]) -> None:
        self._report = report
        self._cancelled = cancelled
        self._phase = Phase.STAGING
        self._bytes_unreported = 0
        self._steps_unreported = 0
        self.bytes_done = 0
        self.files = 0

    def enter(self, phase: Phase) -> None:
        """Begin a phase."""
        self._phase = phase
        self._tell()

    def recount(self) -> None:
        """Restart the counts at 0."""
        self.bytes_done = self.files = 0

    def advance(self, *, size: int = 0, files: int = 0) -> None:
        """Count one step, with its bytes of content and its files. Raise Cancelled as `check` does."""
        self.bytes_done += size
        self.files += files
        self._bytes_unreported += size
        self._steps_unreported += 1
        self.check()
        if self._bytes_unreported >= _EVERY_BYTES or self._steps_unreported >= _EVERY_STEPS:
            self._tell()

    def check(self) -> None:
        """Raise Cancelled on a cancel, as long as nothing live was touched."""
        if self._phase in _UNTOUCHED and self._cancelled():
            raise Cancelled("the restore was cancelled before anything live was touched")

    def _tell(self) -> None:
        self._bytes_unreported = self._steps_unreported = 0
        # Once begun, the exchange runs to its end, even if a report fails.
        with contextlib.nullcontext() if self._phase in _UNTOUCHED else contextlib.suppress(Exception):
            self._report(ExtractProgress(self._phase, self.bytes_done, self.files))
