"""The names that a member may have, and how a name that may be any bytes is shown in a message."""

from __future__ import annotations

from sidecar.errors import ArchiveRefused
from sidecar.restore.reading.limits import Limits
from trees.paths import RESERVED_FOLDER

_SHOWN_BYTES = 200


def member_path(name: bytes, limits: Limits) -> bytes:
    """Given a member's name as its source has it, return it relative to the data root, without `.` and doubled slashes.

    The root itself is `b""`. Raise ArchiveRefused for a name that is empty, absolute, has a `..` or a NUL, lies in the
    reserved folder, or is longer or deeper than the limits allow. A name is never repaired into a harmless one: a
    source that holds such a name was not made by honest means.
    """
    if not name or b"\0" in name:
        raise ArchiveRefused(f"a member's name is empty or has a NUL: {shown(name)}")
    if name.startswith(b"/"):
        raise ArchiveRefused(f"a member's name is absolute: {shown(name)}")
    parts = [part for part in name.split(b"/") if part not in (b"", b".")]
    if b".." in parts:
        raise ArchiveRefused(f"a member's name climbs with '..': {shown(name)}")
    if parts and parts[0] == RESERVED_FOLDER:
        raise ArchiveRefused(f"a member lies in the reserved folder: {shown(name)}")
    path = b"/".join(parts)
    if len(parts) > limits.depth or len(path) > limits.path_bytes:
        raise ArchiveRefused(f"a member's path is deeper or longer than allowed: {shown(name)}")
    return path


def shown(name: bytes) -> str:
    """The beginning of a name for a message: printable, whatever bytes it holds."""
    text = name[:_SHOWN_BYTES].decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
