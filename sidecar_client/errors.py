"""What a worker learns when a sidecar cannot be used, or could not do what it was asked."""

from wire.errors import ErrorCode


class SidecarClientError(Exception):
    """Base of all. `detail` is fit for a customer; `params` are what the code's sentence may need: numbers, the `path`
    that it is about, the `errno` by its name.
    """

    def __init__(self, code: ErrorCode, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.params: dict[str, int | str] = {}


class SidecarUnavailable(SidecarClientError):
    """Nobody answers, or no longer: what the sidecar did last is unknown, and a later attempt may succeed."""

    def __init__(self, detail: str) -> None:
        super().__init__(ErrorCode.SIDECAR_UNAVAILABLE, detail)


class SidecarFailed(SidecarClientError):
    """The sidecar answered that it could not; `code` came over the wire."""


class Refused(SidecarFailed):
    """The sidecar does not accept this portal, this path, or this attempt (a newer fence has taken over)."""

    def __init__(self, detail: str) -> None:
        super().__init__(ErrorCode.SIDECAR_REFUSED, detail)


class SourceFailed(SidecarFailed):
    """The data did not arrive as the sidecar read it, or it could not be read."""

    def __init__(self, detail: str) -> None:
        super().__init__(ErrorCode.SOURCE_FAILED, detail)


class Cancelled(SidecarFailed):
    """The caller's `cancelled` said so; the sidecar has been told to stop and clean up."""

    def __init__(self, detail: str) -> None:
        super().__init__(ErrorCode.CANCELLED, detail)
