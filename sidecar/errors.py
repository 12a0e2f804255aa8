"""The sidecar's errors, each with the stable code that travels on the wire."""

import contextlib
import errno
from collections.abc import Iterator
from typing import ClassVar

from wire.errors import ErrorCode


class SidecarError(Exception):
    """Base of every expected failure; `detail` never holds a secret, nor a path outside the virtual roots.

    `params` fill in the message of the code: numbers, `path` (relative to the data) and `errno` (its name).
    """

    code: ClassVar[ErrorCode] = ErrorCode.INTERNAL

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.params: dict[str, int | str] = {}


def cause_of(error: OSError, path: str) -> dict[str, int | str]:
    """The params of an operating system's error at one path."""
    return {"path": path, "errno": errno.errorcode.get(error.errno or 0, "")}


class Refused(SidecarError):
    """The request has an older fence, or names something that this sidecar must not touch."""

    code = ErrorCode.SIDECAR_REFUSED


class Busy(SidecarError):
    """This sidecar has no capacity at the moment; the caller may retry."""

    code = ErrorCode.SIDECAR_UNAVAILABLE


class Cancelled(SidecarError):
    """The caller went away or asked to stop; unfinished work has been cleaned up."""

    code = ErrorCode.CANCELLED


class ScratchFull(SidecarError):
    """The scratch folder's disk has no room left."""

    code = ErrorCode.SCRATCH_FULL


class NotEnoughSpace(SidecarError):
    """The data volume has no room for staging; nothing live was touched.

    `params` tell the needed and the free amount, in bytes, or in files and folders. If neither is short, they tell
    the operating system's error: an exceeded quota, for example.
    """

    code = ErrorCode.NOT_ENOUGH_SPACE


class ArchiveDamaged(SidecarError):
    """The archive is truncated or fails a checksum; nothing live was touched."""

    code = ErrorCode.ARCHIVE_DAMAGED


class ArchiveRefused(SidecarError):
    """The archive holds an entry that could reach outside the data root, or breaks a limit; nothing was touched."""

    code = ErrorCode.ARCHIVE_REFUSED


class ServerNotStopped(SidecarError):
    """The game server had to be stopped and could not be; nothing live was touched."""

    code = ErrorCode.SERVER_NOT_STOPPED


class SourceFailed(SidecarError):
    """The data could not be read as a whole: the root is missing, or its disk fails."""

    code = ErrorCode.SOURCE_FAILED


class EntryFailed(OSError):
    """The operating system refused something at one path of the data, relative to its root."""

    def __init__(self, error: OSError, path: bytes) -> None:
        super().__init__(error.errno, error.strerror)
        self.path = path


@contextlib.contextmanager
def at_entry(path: bytes) -> Iterator[None]:
    """Raise EntryFailed for an OSError that leaves the block; the innermost path counts."""
    try:
        yield
    except EntryFailed:
        raise
    except OSError as error:
        raise EntryFailed(error, path) from error


class StartError(Exception):
    """The daemon cannot start: a mistake of the operator or the machine, as one clear line without secrets."""
