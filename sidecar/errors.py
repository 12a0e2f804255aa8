"""What the sidecar refuses or fails at, each with the stable code that travels on the wire."""

import errno


class SidecarError(Exception):
    """Base of every expected failure; `detail` never holds a secret, nor a path outside the virtual roots.

    `params` are what the code's sentence may need: numbers, `path` (relative to the data) and `errno` (its name).
    """

    code = "internal"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.params: dict[str, int | str] = {}


def cause_of(error: OSError, path: str) -> dict[str, int | str]:
    """The params of an error that the operating system caused at one path."""
    return {"path": path, "errno": errno.errorcode.get(error.errno or 0, "")}


class Refused(SidecarError):
    """The request names what this sidecar may not touch, or an older fence."""

    code = "sidecar_refused"


class Busy(SidecarError):
    """This sidecar does as much as it can just now; to be asked again."""

    code = "sidecar_unavailable"


class Cancelled(SidecarError):
    """The caller went away or asked to stop; what was begun has been cleaned up."""

    code = "cancelled"


class ScratchFull(SidecarError):
    """The scratch folder's disk has no room left."""

    code = "scratch_full"


class NotEnoughSpace(SidecarError):
    """The data volume has no room for staging; nothing live was touched.

    `params` have how much is needed and free, in bytes, or in files and folders that can be made; or, where neither is
    short, what the operating system refused: a quota, say.
    """

    code = "not_enough_space"


class ArchiveDamaged(SidecarError):
    """The archive is truncated or fails a checksum; nothing live was touched."""

    code = "archive_damaged"


class ArchiveRefused(SidecarError):
    """The archive holds an entry that could reach outside the data root, or breaks a limit; nothing was touched."""

    code = "archive_refused"


class ServerNotStopped(SidecarError):
    """The game server was to be stopped and could not be; nothing live was touched."""

    code = "server_not_stopped"


class SourceFailed(SidecarError):
    """The data could not be read as a whole: the root is missing, or its disk fails."""

    code = "source_failed"
