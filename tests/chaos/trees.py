"""Trees as plain bytes: what a folder holds, what an archive holds, what a restore must make of both; and edits."""

# Names are bytes here, which pathlib does not take:
# ruff: noqa: PTH101, PTH102, PTH104, PTH108, PTH112, PTH113, PTH114, PTH115, PTH116, PTH123, PTH211

from __future__ import annotations

import io
import os
import shutil
import stat
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from random import Random

RESERVED = b".savepoint"
NANOSECONDS = 1_000_000_000
NAMES = [
    b"level.dat", b"server.properties", b"region", b"plugins", b"r.0.0.mca", b"-rf", b"a b", b"line\nbreak",
    b"not \xff UTF-8", "caf\u00e9".encode(), "cafe\u0301".encode(), "\u202egpj.exe".encode(), b"%41", b"\\", b"'\"",
    b"n" * 255, b" ", b"...", b"\x01",
]  # fmt: skip
"""What files are called; the canary of I8 is what some of them hold."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One path. `content` is a file's bytes or a symlink's target; `twin` the first of the paths with its inode."""

    kind: str
    mode: int
    mtime_ns: int
    content: bytes = b""
    twin: bytes = b""


Tree = dict[bytes, Entry]

NEVER: Tree = {b"": Entry("nothing", 0, 0)}
"""What no folder is like: a restore that must not succeed comes to this."""


def tree_read(root: Path) -> Tree:
    """Everything below `root` but the sidecar's own folder."""
    found: Tree = {}
    inodes: dict[tuple[int, int], bytes] = {}
    for path in sorted(_walk(os.fsencode(root))):
        name = path[len(os.fsencode(root)) + 1 :]
        status = os.lstat(path)
        entry = Entry("folder", stat.S_IMODE(status.st_mode), status.st_mtime_ns)
        if stat.S_ISLNK(status.st_mode):
            entry = replace(entry, kind="link", content=os.readlink(path))
        elif stat.S_ISREG(status.st_mode):
            with open(path, "rb") as file:
                twin = inodes.setdefault((status.st_dev, status.st_ino), name)
                entry = replace(entry, kind="file", content=file.read(), twin=twin)
        found[name] = entry
    return found


def paths_of(root: Path) -> list[bytes]:
    """Every path below a folder, in order."""
    return sorted(_walk(os.fsencode(root)))


def mixture_check(found: Tree, before: Tree, after: Tree) -> str:
    """The first path that is neither as it was before nor as it was after, for a person; empty when there is none.

    So is a backup of a tree that changed meanwhile. Times of folders and who shares an inode may be of neither.
    """
    for path, entry in _compared(found, overlay=True).items():
        if entry not in [_compared(tree, overlay=True).get(path) for tree in (before, after)]:
            return f"{path[-40:]!r}: {_told(entry)} / {_told(before.get(path))} / {_told(after.get(path))}"
    return ""


def _walk(folder: bytes, *, top: bool = True) -> Iterable[bytes]:
    with os.scandir(folder) as entries:
        found = [entry for entry in entries if not (top and entry.name == RESERVED)]
    for entry in found:
        yield entry.path
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, top=False)


def tree_unpack(archive: bytes) -> Tree:
    """What the standard library's reader finds in an archive."""
    found: Tree = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz", errors="surrogateescape", encoding="utf-8") as tar:
        for member in tar:
            name = os.fsencode(member.name)
            entry = Entry("folder", member.mode & 0o7777, _mtime_ns(member))
            if member.issym():
                entry = replace(entry, kind="link", content=os.fsencode(member.linkname))
            elif member.islnk():
                entry = found[os.fsencode(member.linkname)]
            elif member.isreg():
                content = tar.extractfile(member)
                assert content is not None
                entry = replace(entry, kind="file", content=content.read(), twin=name)
            found[name] = entry
    return {name: entry for name, entry in found.items() if name not in (b".", b"")}


def _mtime_ns(member: tarfile.TarInfo) -> int:
    # The library's own number is a float, which has no room for nanoseconds.
    told = member.pax_headers.get("mtime")
    return int(Decimal(told) * NANOSECONDS) if told else int(member.mtime) * NANOSECONDS


def tree_overlay(before: Tree, archive: Tree) -> Tree:
    """What an overlay makes of a live tree: everything of the archive, and what is in nobody's way."""
    after = dict(before)
    for path, entry in sorted(archive.items()):
        old = after.get(path)
        if entry.kind != "folder" or (old is not None and old.kind != "folder"):
            for below in [name for name in after if name.startswith(path + b"/")]:
                del after[below]
        after[path] = entry
    return after


def alike(one: Tree, other: Tree, *, overlay: bool = False) -> bool:
    """Whether two trees are the same; after an overlay but for the times of folders and for who shares an inode."""
    return _compared(one, overlay=overlay) == _compared(other, overlay=overlay)


def difference(one: Tree, other: Tree) -> str:
    """The first paths that are not alike, for a person."""
    differing = sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))
    return "; ".join(f"{path[-40:]!r}: {_told(one.get(path))} / {_told(other.get(path))}" for path in differing[:6])


def _told(entry: Entry | None) -> str:
    if entry is None:
        return "nothing"
    content = f"{len(entry.content)} bytes {entry.content[:8]!r} of {entry.twin[-20:]!r}"
    return f"{entry.kind} {entry.mode:o} {entry.mtime_ns} {content}"


def _compared(tree: Tree, *, overlay: bool) -> Tree:
    if not overlay:
        return _twins_named(tree)
    return {
        path: replace(entry, twin=b"", mtime_ns=0 if entry.kind == "folder" else entry.mtime_ns)
        for path, entry in tree.items()
    }


def _twins_named(tree: Tree) -> Tree:
    """The same with each group of hard links named by its smallest path, however it was found."""
    groups: dict[bytes, bytes] = {}
    for path, entry in sorted(tree.items()):
        if entry.kind == "file":
            groups.setdefault(entry.twin, path)
    return {path: replace(entry, twin=groups.get(entry.twin, b"")) for path, entry in tree.items()}


def tree_edit(root: Path, rng: Random) -> str:
    """Change one thing as a game or a customer would; return what."""
    top = os.fsencode(root)
    paths = paths_of(root)
    folders = [top, *(path for path in paths if os.path.isdir(path) and not os.path.islink(path))]
    files = [path for path in paths if os.path.isfile(path) and not os.path.islink(path)]
    what = rng.choice([*ON_NEW, *ON_FILES, *ON_FILES, "delete", "rename"])
    new = rng.choice(folders) + b"/" + rng.choice(NAMES)
    path = rng.choice(paths or [b""])
    if os.path.lexists(new) or len(new) - len(top) > 2000:
        return "nothing"
    try:
        if what in ON_FILES and files:
            path = rng.choice(files)
            ON_FILES[what](path, rng)
        elif what in ON_NEW:
            path = new
            ON_NEW[what](new, rng.choice(files or [b""]), rng)
        elif what == "rename" and path and not new.startswith(path + b"/"):
            os.rename(path, new)
        elif what == "delete" and path:
            _remove(path)
        else:
            return "nothing"
    except PermissionError:
        return "nothing, it is immutable"
    return f"{what} {path[len(top) + 1 :][-40:]!r}"


def inode_pass_on(root: Path) -> bool:
    """Remove a file that has several names, and replace another one by a new file; return whether it has its inode."""
    files = [path for path in paths_of(root) if stat.S_ISREG(os.lstat(path).st_mode)]
    linked = [path for path in files if os.lstat(path).st_nlink > 1]
    others = [path for path in files if os.lstat(path).st_nlink == 1]
    if not linked or not others:
        return False
    number = os.lstat(linked[0]).st_ino
    for path in linked:
        if os.lstat(path).st_ino == number:
            os.unlink(path)
    fresh = others[-1] + b"~"
    with open(fresh, "xb") as file:
        file.write(b"new bytes under an old number")
        passed = os.fstat(file.fileno()).st_ino == number
    os.rename(fresh, others[-1])
    return passed


def _write(path: bytes, _file: bytes, rng: Random) -> None:
    with open(path, "wb") as file:
        file.write(rng.randbytes(rng.choice([0, 1, 100, 4096, 70_000])))


def _append(path: bytes, rng: Random) -> None:
    with open(path, "ab") as file:
        file.write(rng.randbytes(10))


def _same_size(path: bytes, rng: Random) -> None:
    """Other bytes, the same size, and now and then the same time too: only the change time tells."""
    before = os.stat(path)
    with open(path, "r+b") as file:
        file.write(rng.randbytes(before.st_size))
    if rng.random() < 0.5:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _mode(path: bytes, rng: Random) -> None:
    os.chmod(path, rng.choice([0o600, 0o644, 0o755]))


def _swap_kind(path: bytes, _rng: Random) -> None:
    os.unlink(path)
    os.mkdir(path)


def _link(path: bytes, file: bytes, _rng: Random) -> None:
    if file:
        os.link(file, path)


def _symlink(path: bytes, _file: bytes, _rng: Random) -> None:
    os.symlink(b"../outside", path)


def _folder(path: bytes, _file: bytes, _rng: Random) -> None:
    os.mkdir(path)


def _remove(path: bytes) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


ON_FILES: dict[str, Callable[[bytes, Random], None]] = {
    "append": _append, "same size": _same_size, "mode": _mode, "swap kind": _swap_kind,
}  # fmt: skip
ON_NEW: dict[str, Callable[[bytes, bytes, Random], None]] = {
    "write": _write, "link": _link, "symlink": _symlink, "folder": _folder,
}  # fmt: skip
