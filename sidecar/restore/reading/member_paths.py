"""Checks the names of members, and formats names of arbitrary bytes for messages."""

from __future__ import annotations

from sidecar.errors import ArchiveRefused
from sidecar.restore.reading.limits import Limits
from trees.paths import RESERVED_FOLDER

_SHOWN_BYTES = 200


def member_path(name: bytes, limits: Limits) -> bytes:
    """Given a member's name in its source, return the path relative to the data root, without `.` and doubled slashes.

    The root itself is `b""`. Raise ArchiveRefused for a name that is empty, absolute, has a `..` or a NUL, lies in the
    reserved folder, or is longer or deeper than the limits allow. Such a name is never repaired: a source that has it
    is malicious.
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
    """The beginning of a name for a message, with unprintable bytes escaped."""
    text = name[:_SHOWN_BYTES].decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
