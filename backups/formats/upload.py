"""One pass over an archive on its way into storage: hashed, sealed, written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from backups.formats.hashing import HashThread
from repository.sealing.frames import SealContext, sealed_size
from repository.sealing.sealed import SealWriter
from repository.storage import ObjectWriter, Storage
from vault.services.opening import storage_errors


@dataclass(frozen=True, slots=True)
class Uploaded:
    """The result of an upload: the customer's bytes with their SHA-256 in hex, and the object's size in storage."""

    size_bytes: int
    sha256: str
    stored_bytes: int


def archive_upload(
    *,
    chunks: Iterable[bytes],
    storage: Storage,
    key: str,
    expected_size: Callable[[], int],
    seal: tuple[bytes, SealContext] | None,
    before_commit: Callable[[], None],
) -> Uploaded:
    """Write an archive while it arrives, sealed under `seal` (data key, context) or plain.

    expected_size is asked once the first chunk is there. before_commit may raise to keep the object from appearing;
    in every case but success nothing is left under the key. Raises the errors of `storage_errors` and `chunks`.
    """
    source = iter(chunks)
    first = next(source, b"")
    size = 0
    with HashThread() as digest:

        def measured() -> Iterator[bytes]:
            nonlocal size
            for chunk in chain([first], source):
                digest.update(chunk)
                size += len(chunk)
                yield chunk

        stored = object_upload(
            chunks=measured(),
            storage=storage,
            key=key,
            expected_size=expected_size(),
            seal=seal,
            before_commit=before_commit,
        )
        return Uploaded(size_bytes=size, sha256=digest.hexdigest(), stored_bytes=stored)


def object_upload(
    *,
    chunks: Iterable[bytes],
    storage: Storage,
    key: str,
    expected_size: int,
    seal: tuple[bytes, SealContext] | None,
    before_commit: Callable[[], None],
) -> int:
    """Write an object while it arrives, sealed under `seal` or plain; return its size in storage."""
    stored = 0
    sealer = SealWriter(data_key=seal[0], context=seal[1]) if seal else None
    with storage_errors(), storage.writer(key, expected_size=sealed_size(expected_size)) as writer:
        for chunk in chunks:
            stored += _write_all(writer, sealer.update(chunk) if sealer else [chunk])
        if sealer:
            stored += _write_all(writer, sealer.finish())
        before_commit()
        writer.commit()
    return stored


def _write_all(writer: ObjectWriter, pieces: Iterable[bytes | memoryview]) -> int:
    written = 0
    for piece in pieces:
        writer.write(piece)
        written += len(piece)
    return written
