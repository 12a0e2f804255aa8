"""What the sidecar refuses or fails at, each with the stable code that travels on the wire."""


class SidecarError(Exception):
    """Base of every expected failure; `detail` never holds a secret, nor a path outside the virtual roots.

    `params` are what the code's sentence may need: numbers, `path` (relative to the data) and `errno` (its name).
    """

    code = "internal"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.params: dict[str, int | str] = {}


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
    """The data volume has no room for staging; nothing live was touched. Both numbers are bytes."""

    code = "not_enough_space"

    def __init__(self, detail: str, *, needed_bytes: int = 0, free_bytes: int = 0) -> None:
        super().__init__(detail)
        self.params = {"needed_bytes": needed_bytes, "free_bytes": free_bytes}


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
