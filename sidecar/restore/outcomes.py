"""The words in which an extraction is asked for, reported and remembered."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from sidecar.archive.report import WarningLog


class Mode(enum.Enum):
    """What becomes of live paths that the archive does not have: `REPLACE` takes them away, `OVERLAY` lets them be."""

    REPLACE = "replace"
    OVERLAY = "overlay"


class Phase(enum.Enum):
    """Nothing live is touched, and all can be cancelled, until `EXCHANGING`: from then on the journal decides.

    `COMPARING` writes nothing yet; it is left out when there is nothing to compare with. `STOPPING` is whatever the
    caller does between staging and the exchange.
    """

    COMPARING = enum.auto()
    STAGING = enum.auto()
    STOPPING = enum.auto()
    EXCHANGING = enum.auto()
    DONE = enum.auto()


@dataclass(frozen=True, slots=True)
class ExtractProgress:
    """How far it is: bytes of file content and number of members (folders not counted) that were compared, or staged
    or found to stay, so far.
    """

    phase: Phase
    bytes_done: int
    files: int


@dataclass(frozen=True, slots=True)
class ExtractSummary:
    """What a finished extraction did.

    `files` are files, hard links and symlinks of the archive; `bytes` is their content; `removed` counts every live
    path, folders included, that is gone because the archive does not have it. `staying`: live paths that were neither
    removed nor replaced, because no backup could bring them back.
    """

    files: int
    bytes: int
    removed: int
    staying: WarningLog = field(default_factory=WarningLog)


class OutcomeKind(enum.Enum):
    """What a journal says: `RUNNING` is one without an end, at which a process is or was."""

    NONE = enum.auto()
    RUNNING = enum.auto()
    COMPLETED = enum.auto()
    ROLLED_BACK = enum.auto()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an extraction ended. `summary` comes with COMPLETED; the error's code, detail and params with a failure."""

    kind: OutcomeKind
    summary: ExtractSummary | None = None
    error_code: str = ""
    error_detail: str = ""
    error_params: Mapping[str, int | str] = field(default_factory=dict, compare=False)
