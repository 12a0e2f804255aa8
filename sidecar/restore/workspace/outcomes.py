"""How an extraction ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sidecar.archive.report import WarningLog
from wire.enums import OutcomeKind


@dataclass(frozen=True, slots=True)
class ExtractSummary:
    """The work of a finished extraction.

    `files` are members that are files, hard links and symlinks; `bytes` is their content; `removed` counts every live
    path, folders included, that is gone because no member has it. `staying`: live paths that were neither
    removed nor replaced, because no backup could bring them back.
    """

    files: int
    bytes: int
    removed: int
    staying: WarningLog = field(default_factory=WarningLog)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an extraction ended. `summary` comes with COMPLETED; the error's code, detail and params with a failure."""

    kind: OutcomeKind
    summary: ExtractSummary | None = None
    error_code: str = ""
    error_detail: str = ""
    error_params: Mapping[str, int | str] = field(default_factory=dict, compare=False)
