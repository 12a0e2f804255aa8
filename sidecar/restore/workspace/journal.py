"""The journal of one extraction: a few lines with its state. After a crash, the last line is complete.

    savepoint-extraction 1            the staging folder is being filled; nothing live was touched
    commit FILES BYTES REMOVED [PLACES]   staged tree and plan are on the disk: from here on it goes forward; PLACES:
                                      the number of places beside the root (see `parts`)
    rollback CODE DETAIL [PARAMS]     a step failed: from here on it goes back; the error's params as JSON
    completed | rolled_back [DETAIL]  the end; DETAIL: the error of metadata that could not be restored

The file has its full length from the start, so that the end can be written on a full disk. A line is valid once its
newline is written. The last valid line is the state.
"""

from __future__ import annotations

import enum
import json
import os
from typing import Self

from sidecar.errors import SidecarError, SourceFailed
from sidecar.restore.workspace.outcomes import ExtractSummary, Outcome
from sidecar.restore.workspace.records import record_fields, record_line
from trees.filesystem import Filesystem
from wire.enums import OutcomeKind

JOURNAL = b"journal"
_SIZE = 16_384
_DETAIL_BYTES = 500
_HEAD = record_line(b"savepoint-extraction", 1)


class State(enum.Enum):
    """The word that begins the last line."""

    STAGING = b"savepoint-extraction"
    COMMITTED = b"commit"
    ROLLING_BACK = b"rollback"
    COMPLETED = b"completed"
    ROLLED_BACK = b"rolled_back"


class Journal:
    """An open journal. `state` is that of the last line; earlier lines have the summary and the error."""

    def __init__(self, fd: int, filesystem: Filesystem) -> None:
        self._fd = fd
        self._filesystem = filesystem
        self._end = 0
        self.state = State.STAGING
        self.summary: ExtractSummary | None = None
        self.places = 0
        self.error_code = ""
        self.error_detail = ""
        self.error_params: dict[str, int | str] = {}

    @classmethod
    def create(cls, *, at: int, filesystem: Filesystem) -> Self:
        """Begin a journal in an open folder."""
        fd = filesystem.make_file(JOURNAL, at=at)
        journal = cls(fd, filesystem)
        try:
            filesystem.reserve(fd, _SIZE)
            journal._append(_HEAD)
        except BaseException:
            journal.close()
            raise
        return journal

    @classmethod
    def open(cls, *, at: int, filesystem: Filesystem) -> Self | None:
        """Return the journal of an open folder, or None. Raise SourceFailed when it is not one of this format."""
        try:
            fd = os.open(JOURNAL, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
        except FileNotFoundError:
            return None
        journal = cls(fd, filesystem)
        try:
            journal._read()
        except BaseException:
            journal.close()
            raise
        return journal

    @property
    def outcome(self) -> Outcome:
        """The outcome as of now."""
        match self.state:
            case State.COMPLETED:
                return Outcome(OutcomeKind.COMPLETED, self.summary)
            case State.ROLLED_BACK:
                return Outcome(OutcomeKind.ROLLED_BACK, None, self.error_code, self.error_detail, self.error_params)
            case _:
                return Outcome(OutcomeKind.RUNNING, None, self.error_code, self.error_detail, self.error_params)

    def commit(self, summary: ExtractSummary, *, places: int = 0) -> None:
        """Record that staged tree and plan are on the disk, in the root and `places` other places."""
        numbers = [summary.files, summary.bytes, summary.removed, *([places] if places else [])]
        self._append(record_line(State.COMMITTED.value, *numbers))

    def roll_back(self, error: SidecarError) -> None:
        """Record that a step failed with this error."""
        params = [json.dumps(error.params).encode()] if error.params else []
        self._append(record_line(State.ROLLING_BACK.value, error.code.encode(), _cut(error.detail), *params))

    def complete(self) -> None:
        """Record that the live data is wholly new."""
        self._append(record_line(State.COMPLETED.value))

    def rolled_back(self, refused: SidecarError | None) -> None:
        """Record that the live data is wholly old again; `refused`: why some metadata is not."""
        self._append(record_line(State.ROLLED_BACK.value, *([_cut(refused.detail)] if refused else [])))

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._fd)

    def _append(self, line: bytes) -> None:
        self._filesystem.write_at(self._fd, line, self._end)
        self._end += len(line)
        if line != _HEAD:
            self._take_in(line)

    def _read(self) -> None:
        text = os.pread(self._fd, _SIZE, 0).partition(b"\0")[0]
        self._end = text.rfind(b"\n") + 1
        head, *lines = [line + b"\n" for line in text[: self._end].split(b"\n")[:-1]] or [_HEAD]
        try:
            for line in lines if head == _HEAD else [head]:
                self._take_in(line)
        except ValueError as error:
            raise SourceFailed("an extraction's journal is of an unknown format") from error

    def _take_in(self, line: bytes) -> None:
        word, *fields = record_fields(line.removesuffix(b"\n"))
        state = State(word)
        match state, fields:
            case State.COMMITTED, [files, size, removed, *places] if len(places) <= 1:
                self.places = int(places[0]) if places else 0
                self.summary = ExtractSummary(int(files), int(size), int(removed))
            case State.ROLLING_BACK, [code, detail, *params] if len(params) <= 1:
                self.error_code, self.error_detail = code.decode(), detail.decode("utf-8", "ignore")
                self.error_params = json.loads(params[0]) if params else {}
            case ((State.COMPLETED | State.ROLLED_BACK), []):
                pass
            case State.ROLLED_BACK, [refused]:
                self.error_detail += f"; not given back: {refused.decode('utf-8', 'ignore')}"
            case _:
                raise ValueError(line)
        self.state = state


def _cut(detail: str) -> bytes:
    return detail.encode("utf-8", "backslashreplace")[:_DETAIL_BYTES]
