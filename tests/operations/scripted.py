"""A sidecar with scripted answers about one restore."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Self

from sidecar_client.client import ExtractOutcome, SidecarInfo
from sidecar_client.errors import SidecarUnavailable
from tests.faults import fault_script
from wire.enums import OutcomeKind


def away(*_: object) -> Any:
    """Raise as a sidecar that does not answer."""
    raise SidecarUnavailable("gone")


def says(kind: OutcomeKind, code: str = "", **params: int | str) -> Callable[[], ExtractOutcome]:
    """A journal's outcome; `code` is the reason of a rollback, or the reason why it cannot be ended."""
    return lambda: ExtractOutcome(kind=kind, result=None, error_code=code, error_detail="", error_params=params)


def _played(what: str, answer: Callable[[], Any]) -> Callable[[], Any]:
    """An answer that the test requires to be requested."""
    fault = fault_script(f"a sidecar's answer: {what}")

    def play() -> Any:
        fault.strike()
        return answer()

    return play


class ScriptedSidecar:
    """Plays a list of answers for each call, to its end; `extractions` and `releases` count the requests."""

    def __init__(self, *, outcomes: Iterable[Callable[[], ExtractOutcome]], extract: Any = None, release: Any = None):
        self._outcomes = iter([_played(f"outcome {number}", answer) for number, answer in enumerate(outcomes, 1)])
        self._extract = extract and _played("extraction", extract)
        self._release = release and _played("release", release)
        self.extractions = self.releases = 0

    def __call__(self, **_: object) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def describe(self) -> SidecarInfo:
        return SidecarInfo(version="1", data_free_bytes=1 << 40, scratch_free_bytes=1 << 40)

    def extract_outcome(self, **_: object) -> ExtractOutcome:
        return next(self._outcomes, away)()

    def archive_extract(self, **_: object) -> None:
        self.extractions += 1
        if self._extract:
            self._extract()

    def extract_release(self, **_: object) -> None:
        self.releases += 1
        if self._release:
            self._release()

    def file_write(self, *, path: str, size: int, chunks: Iterable[bytes]) -> None:
        for _ in chunks:
            pass

    def file_delete(self, *, path: str) -> None:
        pass
