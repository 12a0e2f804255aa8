"""The content of an archive, in passes from its beginning: the members that are asked for, in the archive's order."""

from __future__ import annotations

import tarfile
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from typing import IO, cast

from isal import igzip_lib, isal_zlib

from archives.formats import ArchiveFormat
from archives.tar_format import TarMember
from archives.tar_stream import Member
from archives.zstd_frames import zstd_unpack
from backups.errors import FilesUnavailable
from backups.models import Backup
from repository.archive.object_keys import archive_format
from repository.browsing import Item
from repository.checkpoint import Checkpoint, go_on
from vault.errors import ArchiveDamagedError
from vault.models import Asset
from vault.services.opening import asset_open

_PIECE_BYTES = 1 << 20


def archive_content(backup: Backup, item: Item, *, start: int, stop: int) -> Iterator[bytes]:
    """The bytes of a file of an archive from `start` up to `stop`: the archive is read from its beginning up to them.

    The last piece of a file is yielded only when its checksum is right. Raises ArchiveDamagedError,
    StorageUnavailableError, KeyUnavailable.
    """
    if backup.asset is None:
        raise FilesUnavailable
    with closing(ArchivePass(backup.asset)) as reading:
        member = reading.member(item.name_of or item.path)
        yield from reading.content(member, item, start=start, stop=stop)


@contextmanager
def archive_members(backup: Backup, *, checkpoint: Checkpoint) -> Iterator[Iterator[Member]]:
    """Everything in an archive, in its order. Raises as `archive_content`."""
    asset = Asset.objects.select_related("target", "customer").get(backup=backup)
    with closing(ArchivePass(asset, checkpoint=checkpoint)) as reading:
        yield reading.members()


class ArchivePass:
    """One pass over an archive. Every method raises ArchiveDamagedError, StorageUnavailableError, KeyUnavailable."""

    def __init__(self, asset: Asset, *, checkpoint: Checkpoint = go_on) -> None:
        self._pieces = _unpacked(asset, checkpoint)
        with _damage():
            source = cast("IO[bytes]", _Source(self._pieces))
            self._tar = tarfile.open(fileobj=source, mode="r|", bufsize=_PIECE_BYTES, encoding="utf-8")  # noqa: SIM115
            self._members = iter(self._tar)

    def close(self) -> None:
        """End it."""
        self._tar.close()
        self._pieces.close()

    def member(self, path: bytes) -> tarfile.TarInfo:
        """The next member at a path; those before it are passed over. An archive without it is damaged."""
        with _damage():
            for member in self._members:
                # A stream never goes back to a member: keeping them would only take memory.
                self._tar.members = []  # type: ignore[attr-defined]  # its documented way to bound memory
                if member.name.encode("utf-8", "surrogateescape") == path:
                    return member
        raise ArchiveDamagedError

    def members(self) -> Iterator[Member]:
        """All members with their content, then the rest of the archive, of which the whole is checked at its end."""
        with _damage():
            for member in self._members:
                self._tar.members = []  # type: ignore[attr-defined]  # as above
                yield _tar_member(member), self._pieces_of(member)
            for _ in self._pieces:
                pass

    def _pieces_of(self, member: tarfile.TarInfo) -> Iterator[memoryview]:
        with _damage():
            file = self._tar.extractfile(member) if member.isreg() else None
            while file is not None and (piece := file.read(_PIECE_BYTES)):
                yield memoryview(piece)

    def content(self, member: tarfile.TarInfo, item: Item, *, start: int, stop: int) -> Iterator[bytes]:
        """The bytes of the member that was just found from `start` up to `stop`, if it is the file that `item` says.

        The last piece of the file is yielded only when its checksum is right.
        """
        with _damage():
            file = self._tar.extractfile(member) if member.isreg() and member.size == item.size else None
            if file is None:
                raise ArchiveDamagedError
            yield from _checked(file, item, start=start, stop=stop)


def _tar_member(member: tarfile.TarInfo) -> TarMember:
    return TarMember(
        path=member.name.encode("utf-8", "surrogateescape"),
        type=member.type,
        mode=member.mode,
        uid=member.uid,
        gid=member.gid,
        # The library keeps a time as a float, which has no nanoseconds left.
        mtime_ns=int(Decimal(member.pax_headers.get("mtime", member.mtime)) * 10**9),
        size=member.size if member.isreg() else 0,
        link=member.linkname.encode("utf-8", "surrogateescape"),
    )


def _checked(file: IO[bytes], item: Item, *, start: int, stop: int) -> Iterator[bytes]:
    crc32, at = 0, 0
    while at < stop:
        piece = file.read(min(_PIECE_BYTES, stop - at))
        if not piece:
            raise ArchiveDamagedError
        crc32 = isal_zlib.crc32(piece, crc32)
        at += len(piece)
        if at == item.size and item.content != b"%d %08x" % (item.size, crc32):
            raise ArchiveDamagedError
        if at > start:
            yield piece[max(0, start - (at - len(piece))) :]


@contextmanager
def _damage() -> Iterator[None]:
    """Translate the errors of bytes that are no archive."""
    try:
        yield
    except (tarfile.TarError, EOFError, OverflowError, ValueError) as error:
        raise ArchiveDamagedError from error


class _Source:
    """A stream of pieces, as a file that is read forward."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces, b""

    def read(self, size: int) -> bytes:
        """Up to so many of the next bytes; none at the end."""
        if not self._rest:
            self._rest = next(self._pieces, b"")
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken


def _unpacked(asset: Asset, checkpoint: Checkpoint) -> Generator[bytes, None, None]:
    """The tar archive in an asset."""
    parts = asset_open(asset, checkpoint=checkpoint).read()
    if archive_format(asset.key) is ArchiveFormat.TAR_ZST:
        yield from zstd_unpack(_Source(parts).read)
    else:
        yield from _inflated(parts)


def _inflated(parts: Iterable[bytes]) -> Generator[bytes, None, None]:
    inflate = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
    try:
        for part in parts:
            data = part
            while not inflate.eof and (data or not inflate.needs_input):
                piece = inflate.decompress(data, _PIECE_BYTES)
                data = b""
                if piece:
                    yield piece
    except igzip_lib.IsalError as error:  # type: ignore[misc]  # its stub declares an instance
        raise ArchiveDamagedError from error
    if not inflate.eof:
        raise ArchiveDamagedError
