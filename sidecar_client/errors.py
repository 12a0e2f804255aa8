"""Errors of calls to a sidecar."""

from trees import source as trees
from wire.errors import ErrorCode


class SidecarClientError(Exception):
    """The base class. `detail` may be shown to customers. `params` fill the sentence of the code: numbers, the `path`
    that it is about, the name of the `errno`.
    """

    def __init__(self, code: ErrorCode, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.params: dict[str, int | str] = {}


class SidecarUnavailable(SidecarClientError):
    """The sidecar does not answer, or no longer. Its last action is unknown, and a later attempt may succeed."""

    def __init__(self, detail: str) -> None:
        super().__init__(ErrorCode.SIDECAR_UNAVAILABLE, detail)


class SidecarFailed(SidecarClientError):
    """The sidecar reported an error; `code` came over the wire."""


class Refused(SidecarFailed):
    """The sidecar refused this portal, this path, or this attempt (a newer fence has taken over)."""

    def __init__(self, detail: str) -> None:
        super().__init__(ErrorCode.SIDECAR_REFUSED, detail)


class SourceFailed(SidecarFailed, trees.SourceFailed):
    """The data could not be read, or did not arrive as the sidecar read it."""

    def __init__(self, detail: str) -> None:
        super().__init__(ErrorCode.SOURCE_FAILED, detail)


class Cancelled(SidecarFailed):
    """The caller's `cancelled` returned True; the sidecar was told to stop and clean up."""

    def __init__(self, detail: str) -> None:
        super().__init__(ErrorCode.CANCELLED, detail)
