"""Files of the portal's machine that are derived from an object in storage, and can be made again at any time.

They are sealed as the object that they are made from is, with the same key: on a disk of the portal they tell no more
than the object does in its target. None of them is needed; the folder may be emptied while the portal runs.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from repository.sealing.frames import SealContext
from repository.sealing.sealed import SealReader, SealWriter
from repository.storage import ObjectNotFound
from vault.models import Asset
from vault.services.keys import DataKeys

FOLDER = "derived"
KEPT_BYTES_MAX = 1 << 30
"""All of them together; those used the longest ago go first."""
PARTIAL_SECONDS = 3600
"""A half-written file that grew no more for so long has no writer left: a web process was killed."""
_PARTIAL = re.compile(r"[^.]+\.[a-z]+\.[0-9a-f]{16}")
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Derived:
    """A derived file of one asset. `seal`: the data key and the context, or None where the asset is not sealed."""

    path: Path
    seal: tuple[bytes, SealContext] | None

    def open(self) -> DerivedReader:
        """Open it, for it was used now. Raises OSError when it is not there, SealError for a size that none has."""
        os.utime(self.path)
        return DerivedReader(self, self.path.stat().st_size)

    def store(self, pieces: Iterable[bytes]) -> None:
        """Write it whole, and drop what has not been used for the longest. Raises OSError and what `pieces` raises."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = self.path.with_name(f"{self.path.name}.{secrets.token_hex(8)}")
        sealer = None if self.seal is None else SealWriter(data_key=self.seal[0], context=self.seal[1])
        try:
            with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                for piece in pieces:
                    for part in sealer.update(piece) if sealer else (piece,):
                        file.write(part)
                for part in sealer.finish() if sealer else ():
                    file.write(part)
            partial.replace(self.path)
        finally:
            partial.unlink(missing_ok=True)
        derived_trim()

    def drop(self) -> None:
        """Remove it, because its content is not what was stored."""
        self.path.unlink(missing_ok=True)


class DerivedReader:
    """The plain bytes of a derived file at any offset; `size` is their number."""

    def __init__(self, derived: Derived, stored_bytes: int) -> None:
        """Raises SealError for a size that no sealed file has."""
        self._path = derived.path
        self._sealed: SealReader | None = None
        self.size = stored_bytes
        if derived.seal is not None:
            key, context = derived.seal
            files = _Files(derived.path)
            self._sealed = SealReader(
                data_key=key, context=context, storage=files, key=derived.path.name, sealed_size=stored_bytes
            )
            self.size = self._sealed.size

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` up to `stop`. Raises OSError, StorageError, SealError when it is gone or damaged."""
        pieces = self._sealed.read(start, stop) if self._sealed else _Files(self._path).read("", start=start, stop=stop)
        return b"".join(pieces)


def derived_of(asset: Asset, name: str, *, keys: DataKeys) -> Derived:
    """The derived file of that name, a lower-case word, of an asset. Raises KeyUnavailable."""
    path = Path(settings.SAVEPOINT_HOME) / FOLDER / f"{asset.id}.{name}"
    if not asset.sealed:
        return Derived(path, None)
    key = keys.get(customer=asset.customer, target=asset.target)
    context = SealContext(asset.customer_id, asset.target_id, f"derived-{name}", asset.key)
    return Derived(path, (key, context))


def derived_trim() -> None:
    """Remove what killed processes left half-written, and derived files until the rest takes no more than the limit."""
    found = []
    written_since_ns = time.time_ns() - PARTIAL_SECONDS * 10**9
    with suppress(OSError), os.scandir(Path(settings.SAVEPOINT_HOME) / FOLDER) as entries:
        for entry in entries:
            with suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                if _PARTIAL.fullmatch(entry.name) and status.st_mtime_ns < written_since_ns:
                    Path(entry.path).unlink()
                else:
                    found.append((status.st_mtime_ns, status.st_size, entry.path))
    kept = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if kept <= KEPT_BYTES_MAX:
            return
        Path(path).unlink(missing_ok=True)
        kept -= size


class _Files:
    """One file, as the storage that a reader of sealed objects takes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, key: str, *, start: int = 0, stop: int | None = None) -> Iterator[bytes]:  # noqa: ARG002  # the protocol's
        """The bytes from `start` up to `stop`, or the end."""
        try:
            with self._path.open("rb", buffering=0) as file:
                file.seek(start)
                left = stop - start if stop is not None else 1 << 62
                while left > 0 and (piece := file.read(min(left, _PIECE_BYTES))):
                    left -= len(piece)
                    yield piece
        except FileNotFoundError as error:
            raise ObjectNotFound(str(error.strerror)) from error
