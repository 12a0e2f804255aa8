"""Restores of a tree's listing in this process: contents come from the tree itself, at once."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sidecar.restore.reading.listed.contents import Asked, Contents, Part, PassBegins
from sidecar.restore.tree import tree_restore
from sidecar.restore.workspace.outcomes import ExtractSummary
from tests.sidecar_restore.conftest import OPERATION
from trees.beneath import Root
from trees.hashes import ContentHash
from trees.local.file import user_attributes
from trees.local.scan import LocalEntries
from trees.source import Kind, SourceEntry
from wire.enums import Mode
from wire.listing import FILE, FOLDER, HARD_LINK, LEFT_OUT, OF_SNAPSHOT, SYMLINK, Entry, ListingWriter

HOLE = 1 << 16
"""Zeros of this length are sent as a hole."""
_KINDS = {
    Kind.FILE: FILE,
    Kind.FOLDER: FOLDER,
    Kind.SYMLINK: SYMLINK,
    Kind.HARDLINK: HARD_LINK,
    Kind.SKIPPED: LEFT_OUT,
}


@dataclass
class ListedTree:
    """The listing and the files of a tree, as they were when this was made. `asked` are the files asked for."""

    root: Path
    entries: list[Entry] = field(default_factory=list)
    files: list[tuple[bytes, bytes]] = field(default_factory=list)
    asked: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        firsts: dict[bytes, Entry] = {}
        opened = Root(self.root)
        for found in LocalEntries(opened):
            if not found.path:
                continue
            if found.kind is Kind.HARDLINK:
                first = firsts[found.target or b""]
                self.entries.append(first._replace(kind=HARD_LINK, path=found.path, link=first.path))
                continue
            firsts[found.path] = self._entry(opened, found)
            self.entries.append(firsts[found.path])
        opened.close()

    def _entry(self, root: Root, found: SourceEntry) -> Entry:
        content, xattrs = b"", None
        if found.kind in (Kind.FILE, Kind.FOLDER):
            fd = root.open(found.path)
            xattrs = user_attributes(fd)
            if found.kind is Kind.FILE:
                content = os.pread(fd, found.size, 0)
                self.files.append((found.path, content))
            os.close(fd)
        digest = b""
        if found.kind is Kind.FILE:
            hashed = ContentHash(found.size, header=0)
            hashed.update(memoryview(content))
            digest = hashed.digest()
        status = found.stat[:4] if found.stat else (0, 0, 0, 0)
        return Entry(
            _KINDS[found.kind], *status, found.size, 0, found.path, found.target or b"", digest, 0, found.size,
            xattrs or {},
        )  # fmt: skip

    def listing(self) -> list[bytes]:
        pieces: list[bytes] = []
        writer = ListingWriter(pieces.append, started_ns=1, version=OF_SNAPSHOT)
        for entry in self.entries:
            writer.add(entry)
        writer.finish()
        return pieces

    def parts(self, asked: Asked) -> Iterator[Part]:
        """The contents that were asked for."""
        for number in asked.files:
            path, content = self.files[number]
            self.asked.append(path)
            for begin in range(0, len(content), HOLE):
                piece = content[begin : begin + HOLE]
                yield len(piece) if piece == bytes(HOLE) else memoryview(piece)

    def restore(
        self,
        root: Path,
        mode: Mode = Mode.REPLACE,
        *,
        parts: Callable[[Asked], Iterator[Part]] | None = None,
        **options: Any,
    ) -> ExtractSummary:
        """Restore the tree; `parts` replaces the contents that are sent."""
        contents = Contents()
        ended = threading.Event()
        contents.receive(_replies(contents, parts or self.parts, ended))
        try:
            return tree_restore(
                listing=self.listing,
                contents=contents,
                root=root,
                operation=options.pop("operation", OPERATION),
                mode=mode,
                on_progress=options.pop("on_progress", lambda _: None),
                cancelled=options.pop("cancelled", lambda: False),
                **options,
            )
        finally:
            contents.refuse()
            ended.set()
            contents.told.set()


def _replies(contents: Contents, parts: Callable[[Asked], Iterator[Part]], ended: threading.Event) -> Iterator[Part]:
    number = 0
    while contents.told.wait():
        contents.told.clear()
        for asked in contents.asked():
            if asked.number != number:
                number = asked.number
                yield PassBegins(number)
            yield from parts(asked)
        if ended.is_set():
            return
