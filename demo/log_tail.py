"""The logs of several programs on one screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path


class LogTail:
    """Shows what is appended to each log, line by line, behind the name of its program."""

    def __init__(self, logs: Mapping[str, Path], *, say: Callable[[str], None]) -> None:
        self._say = say
        self._width = max(map(len, logs))
        self._files = {name: path.open(encoding="utf-8", errors="replace") for name, path in logs.items()}
        self._unfinished = dict.fromkeys(logs, "")

    def show(self) -> None:
        """Show the lines that were finished since the last call."""
        for name, file in self._files.items():
            *lines, self._unfinished[name] = (self._unfinished[name] + file.read()).split("\n")
            for line in lines:
                self._say(f"{name:<{self._width}} | {line}")

    def close(self) -> None:
        """Show the rest and close the logs."""
        self.show()
        for file in self._files.values():
            file.close()
