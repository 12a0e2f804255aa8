"""The one comparison of trees: what a folder or an archive holds as plain values, read independently of the product."""

# Names are bytes here, which pathlib does not take:
# ruff: noqa: PTH208

from __future__ import annotations

import errno
import hashlib
import os
import stat
import tarfile
from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Literal, Protocol, cast

import zstandard

from trees.paths import RESERVED_FOLDER

PIECE_BYTES = 1 << 20
DIFFERENCES_SHOWN = 20
KINDS = {stat.S_IFDIR: "folder", stat.S_IFREG: "file", stat.S_IFLNK: "link"}
LINK_MODE = 0o777


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One path of a tree: a folder, a file, a link, or something special (a FIFO, a socket, a device).

    `content` is the digest of a file's bytes, or a link's target. `first` is the smallest of a file's paths in the
    tree, `names` the number of them anywhere. `identity` is the inode and the time of change in ns, where asked for.
    """

    kind: str
    mode: int = 0
    owner: tuple[int, int] = (0, 0)
    mtime_ns: int = 0
    size: int = 0
    content: bytes = b""
    first: bytes = b""
    names: int = 0
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    identity: tuple[int, int] = (0, 0)


Tree = dict[bytes, TreeEntry]
"""Entries by their paths: relative, `/` between names."""
Aspect = Literal["mode", "owner", "mtime_ns", "first", "names", "xattrs", "identity"]


class Readable(Protocol):
    """The part of a stream that the comparison needs."""

    def read(self, size: int, /) -> bytes:
        """Up to so many bytes; none at the end."""
        ...


def tree_read(root: Path, *, without: Collection[bytes] = (), top: bool = False, identity: bool = False) -> Tree:
    """Everything below a folder that stands still; what is below `without` is left out.

    `top` adds the folder itself, as the empty path; `identity` fills in that field. A folder that may not be listed
    holds nothing. Raises OSError.
    """
    found: Tree = {}
    groups: dict[tuple[int, int], list[bytes]] = {}
    waiting = [b""]
    while waiting:
        folder = waiting.pop()
        try:
            descriptor = _folder_open(root, folder)
        except PermissionError:
            continue
        try:
            if top and not folder:
                found[b""] = _entry(os.fstat(descriptor), b".", descriptor, identity=identity)
            for name in map(os.fsencode, os.listdir(descriptor)):
                path = folder + b"/" + name if folder else name
                if path in without:
                    continue
                status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                found[path] = entry = _entry(status, name, descriptor, identity=identity)
                if entry.kind == "file":
                    groups.setdefault((status.st_dev, status.st_ino), []).append(path)
                elif entry.kind == "folder":
                    waiting.append(path)
        finally:
            os.close(descriptor)
    return _grouped(found, groups.values())


def live_read(root: Path) -> Tree:
    """The data as the game sees it: a data root without the folder that is the sidecar's own."""
    return tree_read(root, without=(RESERVED_FOLDER,))


def archive_read(archive: Readable) -> Tree:
    """Everything in a `.tar.gz` or `.tar.zst` stream but the root itself, as the standard library reads it.

    Raises tarfile.TarError, EOFError, zlib.error or ZstdError when it is no whole archive, or a path is in it twice.
    """
    found: Tree = {}
    groups: dict[bytes, list[bytes]] = {}
    with _tar_opened(archive) as members:
        for member in members:
            path = os.fsencode(member.name.rstrip("/"))
            if path in (b"", b"."):
                continue
            if path in found:
                raise tarfile.ReadError(f"{path!r} is in it twice")
            if member.islnk():
                found[path] = found[os.fsencode(member.linkname)]
            else:
                found[path] = _member(member, members.extractfile(member) if member.isreg() else None, path)
            if found[path].kind == "file":
                groups.setdefault(found[path].first, []).append(path)
    found |= {path: replace(found[path], names=len(group)) for group in groups.values() for path in group}
    return _grouped(found, groups.values())


def _tar_opened(archive: Readable) -> tarfile.TarFile:
    head = archive.read(len(zstandard.FRAME_HEADER))
    source: Any = _Begun(head, archive)
    mode = "r|gz"
    if head == zstandard.FRAME_HEADER:
        source, mode = zstandard.ZstdDecompressor().stream_reader(source, read_across_frames=True), "r|"
    stream = cast("IO[bytes]", source)
    return tarfile.open(  # type: ignore[call-overload,no-any-return]  # a mode that is chosen here
        fileobj=stream, mode=mode, bufsize=PIECE_BYTES, encoding="utf-8", errors="surrogateescape"
    )


@dataclass
class _Begun:
    """A stream whose first bytes were read."""

    head: bytes
    rest: Readable

    def read(self, size: int, /) -> bytes:
        """The next bytes."""
        taken, self.head = self.head, b""
        return taken or self.rest.read(size)


def but_for(tree: Tree, *aspects: Aspect, kind: str = "") -> Tree:
    """The tree without what a comparison must not look at, in entries of one kind or in all."""
    blank: dict[str, Any] = {field.name: field.default for field in fields(TreeEntry) if field.name in aspects}
    return {path: entry if kind not in ("", entry.kind) else replace(entry, **blank) for path, entry in tree.items()}


def differences(expected: Tree, found: Tree) -> list[str]:
    """How one tree is not another, in at most 20 sentences."""
    sentences = []
    for path in sorted(expected.keys() | found.keys()):
        one, other = expected.get(path), found.get(path)
        if one is None or other is None:
            sentences.append(f"{path!r}: {'is missing' if other is None else 'should not be there'}")
        elif one != other:
            told = [
                f"{field.name} {getattr(other, field.name)!r} instead of {getattr(one, field.name)!r}"
                for field in fields(TreeEntry)
                if getattr(one, field.name) != getattr(other, field.name)
            ]
            sentences.append(f"{path!r}: has {', '.join(told)}")
        if len(sentences) == DIFFERENCES_SHOWN:
            break
    return sentences


def archive_differences(archive: Tree, root: Path) -> list[str]:
    """How an archive is not the data of a game that stands still: names, kinds, bytes, modes, times, links."""
    return differences(but_for(live_read(root), "owner", "names", "xattrs"), but_for(archive, "owner", "names"))


def digest(content: bytes) -> bytes:
    """The content of a file's entry."""
    return hashlib.sha256(content).digest()


def _grouped(tree: Tree, groups: Iterable[list[bytes]]) -> Tree:
    """The tree in the order of its paths, each file with the smallest path of its group."""
    tree |= {path: replace(tree[path], first=min(group)) for group in groups for path in group}
    return dict(sorted(tree.items()))


def _folder_open(root: Path, path: bytes) -> int:
    """Name by name, for a path may be longer than one call takes."""
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    for name in path.split(b"/") if path else ():
        try:
            deeper = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = deeper
    return descriptor


def _entry(status: os.stat_result, name: bytes, folder: int, *, identity: bool) -> TreeEntry:
    form = stat.S_IFMT(status.st_mode)
    kind = KINDS.get(form, "special")
    content, names = b"" if kind != "special" else b"%o" % form, 0
    if kind == "link":
        content = os.readlink(name, dir_fd=folder)
    elif kind == "file":
        names = status.st_nlink
        with os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder), "rb") as file:
            content = hashlib.file_digest(file, hashlib.sha256).digest()
    return TreeEntry(
        kind=kind,
        mode=stat.S_IMODE(status.st_mode),
        owner=(status.st_uid, status.st_gid),
        mtime_ns=status.st_mtime_ns,
        size=status.st_size if kind == "file" else 0,
        content=content,
        names=names,
        xattrs=_xattrs(b"/proc/self/fd/%d/%s" % (folder, name)) if kind in ("file", "folder") else (),
        identity=(status.st_ino, status.st_ctime_ns) if identity else (0, 0),
    )


def _xattrs(path: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """The attributes that a user may set; none where the file system has no such thing."""
    try:
        names = [name for name in os.listxattr(path, follow_symlinks=False) if name.startswith("user.")]
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
        return ()
    return tuple((os.fsencode(name), os.getxattr(path, name, follow_symlinks=False)) for name in sorted(names))


def _member(member: tarfile.TarInfo, file: IO[bytes] | None, path: bytes) -> TreeEntry:
    # The library keeps a time as a float, which has no nanoseconds left.
    mtime_ns = int(Decimal(member.pax_headers.get("mtime", member.mtime)) * 10**9)
    plain = TreeEntry("folder", member.mode & 0o7777, (member.uid, member.gid), mtime_ns)
    if member.isdir():
        return plain
    if member.issym():
        return replace(plain, kind="link", mode=LINK_MODE, content=os.fsencode(member.linkname))
    if file is None:
        return replace(plain, kind="special", content=member.type)
    content = hashlib.sha256()
    while piece := file.read(PIECE_BYTES):
        content.update(piece)
    return replace(plain, kind="file", size=member.size, content=content.digest(), first=path)
