"""The files of the checkout that running programs were started from: which of them changed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

SUFFIXES: Final = (".py", ".html", ".txt", ".mo", ".css", ".js", ".svg")
DATA_FOLDERS: Final = ("locale", "static", "templates")
UNUSED_PACKAGES: Final = ("benchmarks", "tests")
"""Packages that no program of the product imports."""

Stamp = tuple[int, int]


class Checkout:
    """Sources, templates, translations and static files below `root`, compared by size and modification time."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._stamps = dict(self._scan())

    def changed(self) -> list[str]:
        """Files that were changed, added or removed since the last call, relative to the root."""
        before, self._stamps = self._stamps, dict(self._scan())
        paths = before.keys() | self._stamps.keys()
        return sorted(str(path.relative_to(self._root)) for path in paths if before.get(path) != self._stamps.get(path))

    def _scan(self) -> Iterator[tuple[Path, Stamp]]:
        for entry in self._root.iterdir():
            is_package = (entry / "__init__.py").exists() and entry.name not in UNUSED_PACKAGES
            if is_package or entry.name in DATA_FOLDERS:
                yield from _stamps(entry)


def _stamps(top: Path) -> Iterator[tuple[Path, Stamp]]:
    for folder, _, names in os.walk(top):
        for name in names:
            # An editor replaces files: one that is gone by now is looked at the next time.
            with suppress(FileNotFoundError):
                if name.endswith(SUFFIXES):
                    status = (path := Path(folder, name)).stat()
                    yield path, (status.st_size, status.st_mtime_ns)
