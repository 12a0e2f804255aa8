"""The logs of several programs on one screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path


class LogTail:
    """Shows new lines of each log, behind the name of its program."""

    def __init__(self, logs: Mapping[str, Path], *, say: Callable[[str], None]) -> None:
        self._say = say
        self._width = max(map(len, logs))
        self._files = {name: path.open("rb") for name, path in logs.items()}
        self._unfinished = dict.fromkeys(logs, b"")

    def show(self) -> None:
        """Show the lines that were finished since the last call."""
        for name, file in self._files.items():
            *lines, self._unfinished[name] = (self._unfinished[name] + file.read()).split(b"\n")
            for line in lines:
                self._line_show(name, line)

    def close(self) -> None:
        """Show the rest, also an unfinished line, and close the logs."""
        self.show()
        for name, file in self._files.items():
            file.close()
            if rest := self._unfinished[name]:
                self._line_show(name, rest)

    def _line_show(self, name: str, line: bytes) -> None:
        self._say(f"{name:<{self._width}} | {line.decode(errors='replace')}")
