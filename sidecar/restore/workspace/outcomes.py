"""The outcome and the summary of an extraction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sidecar.archive.report import WarningLog
from wire.enums import OutcomeKind


@dataclass(frozen=True, slots=True)
class ExtractSummary:
    """The work of a finished extraction.

    `files`: number of members that are files, hard links or symlinks; `bytes`: their content. `removed`: number of
    live paths, including folders, that were removed because no member has them. `staying`: live paths that were
    neither removed nor replaced, because no backup could bring them back.
    """

    files: int
    bytes: int
    removed: int
    staying: WarningLog = field(default_factory=WarningLog)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of an extraction: COMPLETED has a `summary`, a failure the error's code, detail and params."""

    kind: OutcomeKind
    summary: ExtractSummary | None = None
    error_code: str = ""
    error_detail: str = ""
    error_params: Mapping[str, int | str] = field(default_factory=dict, compare=False)
