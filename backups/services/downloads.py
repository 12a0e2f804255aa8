"""Running downloads: their number, and whether each of them may still continue."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Generator, Hashable, Iterator
from threading import Lock
from typing import Protocol
from uuid import UUID

from accounts.models import User
from backups.formats.download import Content, DownloadChoice
from backups.formats.registry import format_of
from backups.selectors import asset_readable
from backups.services.damage import damage_noted
from common.errors import Throttled
from common.names import name_cut
from common.paths import path_text
from vault.errors import ArchiveDamagedError
from vault.models import Asset

NAME_BYTES_MAX = 255
"""The longest name that file systems take."""
FILENAME_BYTES_MAX = 240
"""The longest name that is made here: the suffix of a download manager has to fit as well."""
ENDING_BYTES_MAX = 16
_HALF_ESCAPE = re.compile("%[0-9A-F]?$")

Look = Callable[[], User | None]
"""Looks up a caller again; None once the credentials are invalid."""

PER_CALLER = 16
"""Downloads of one token, or of one person in the browser, that a process of the web server answers at once."""
PER_CUSTOMER = 32
PER_PROCESS = 1000
"""A slow reader holds up to 2 MiB."""
MADE_PER_PROCESS = 8
"""Archives that are made on the fly: each takes up to 64 MiB and a share of the processor."""
MADE_PER_CALLER = 3
RETRY_SECONDS = 10
SHARED_SECONDS = 3
"""A download manager opens many connections for one file: they share one check."""


class DownloadSlots:
    """Counts the downloads that run in this process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._running: Counter[Hashable] = Counter()

    def take(self, limits: dict[Hashable, int]) -> None:
        """Count one more under each name. Raises Throttled, and counts nothing, where one has reached its limit."""
        with self._lock:
            if any(self._running[name] >= limit for name, limit in limits.items()):
                raise Throttled(wait=RETRY_SECONDS)
            self._running.update(limits.keys())

    def give_back(self, limits: dict[Hashable, int]) -> None:
        """Count one less under each name."""
        with self._lock:
            self._running.subtract(limits.keys())
            for name in limits:
                if not self._running[name]:
                    del self._running[name]


_slots = DownloadSlots()
_looks: dict[tuple[Hashable, UUID], tuple[float, bool]] = {}
"""The time and result of the last check of rights, for downloads of one asset by one caller."""


class Readable(Protocol):
    """Content that is read from any offset; the names are those of `backups.formats.download.Content`."""

    size: int | None
    resumable: bool
    verified: bool
    is_made: bool

    def open(self) -> None: ...  # noqa: D102  # said above

    def read(self, start: int, stop: int | None, /) -> Iterator[bytes]: ...  # noqa: D102  # said above


class Download(Iterator[bytes]):
    """The bytes of an asset from `start` up to `stop` (None: to the end), for one reader; closing it gives its place to
    the next one.
    """

    def __init__(
        self, *, asset: Asset, content: Readable, start: int, stop: int | None, caller: Hashable, look: Look
    ) -> None:
        self._asset = asset
        self._content = content
        self._position, self._stop = start, stop
        self._look, self._looked = look, (caller, asset.id)
        self._limits: dict[Hashable, int] = {
            "all": PER_PROCESS,
            ("caller", caller): PER_CALLER,
            ("customer", asset.customer_id): PER_CUSTOMER,
        }
        if content.is_made:
            self._limits |= {"made": MADE_PER_PROCESS, ("made", caller): MADE_PER_CALLER}
        _slots.take(self._limits)
        self._held = True
        self._pieces: Iterator[bytes] | None = None
        try:
            if asset.backup.degraded and not content.verified and (start, stop) != (0, content.size):
                # Nothing else would warn a client that assembles the parts of a damaged plain archive. Nothing was
                # read, so there is no damage to record.
                raise ArchiveDamagedError
            with damage_noted(asset.backup):
                content.open()
        except BaseException:
            self.close()
            raise

    def __next__(self) -> bytes:
        """The next piece of at most 4 MiB. Damage on the way marks the backup."""
        if self._pieces is None:
            self._pieces = self._content.read(self._position, self._stop)
        with damage_noted(self._asset.backup):
            piece = next(self._pieces, None)
        if piece is None:
            raise StopIteration
        self._position += len(piece)
        return piece

    def still_allowed(self) -> bool:
        """Whether the caller, as they are now or were a moment ago, may still read this."""
        now = time.monotonic()
        looked_at, allowed = _looks.get(self._looked, (now - SHARED_SECONDS, False))
        if now - looked_at >= SHARED_SECONDS:
            user = self._look()
            allowed = user is not None and asset_readable(user=user, asset_id=self._asset.id)
            _looks[self._looked] = now, allowed
        return allowed

    def rest(self) -> None:
        """Hold nothing open in the storage until the next piece is asked for, where pieces need not come in one go."""
        if self._content.resumable:
            self._let_go()

    def close(self) -> None:
        """End it. Closing twice is no error."""
        self._let_go()
        if self._held:
            self._held = False
            _slots.give_back(self._limits)
            _looks.pop(self._looked, None)

    def _let_go(self) -> None:
        pieces, self._pieces = self._pieces, None
        if isinstance(pieces, Generator):
            pieces.close()


def asset_filename(asset: Asset, ending: str) -> str:
    """The file name of a download: the backup's name, shortened and without characters that file systems refuse."""
    name = asset.backup.name if hasattr(asset, "backup") else str(asset.id)
    kept = "".join("_" if letter in '/\\:*?"<>|' else letter for letter in name).strip(". ")
    kept = name_cut(kept, bytes_max=FILENAME_BYTES_MAX - len(ending) - 1).rstrip(". ")
    return f"{kept or asset.id}.{ending}"


def file_filename(path: bytes) -> str:
    """The file name of a file of a backup: its own as text, shortened before its ending where that is longer."""
    name = path_text(path.rpartition(b"/")[2])
    if len(name.encode()) <= NAME_BYTES_MAX:
        return name
    stem, dot, ending = name.rpartition(".")
    if not stem or len(ending.encode()) > ENDING_BYTES_MAX:
        stem, dot, ending = name, "", ""
    kept = name_cut(stem, bytes_max=FILENAME_BYTES_MAX - len((dot + ending).encode()))
    return _HALF_ESCAPE.sub("", kept) + dot + ending


def asset_content(asset: Asset, choice: DownloadChoice) -> Content:
    """The bytes that a download of an asset has."""
    return format_of(asset.backup).download(asset, choice)


def asset_check(asset: Asset, choice: DownloadChoice) -> None:
    """Raise the reason why this part of an asset cannot be read, as far as it shows before the first byte."""
    with damage_noted(asset.backup):
        asset_content(asset, choice).check()
