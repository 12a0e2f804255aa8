"""Error codes of the sidecar, each with its gRPC and HTTP status."""

import enum
from typing import Self

import grpc


class ErrorCode(enum.StrEnum):
    """A stable code. `http_status` is that of the portal's answer when a request of its API meets the failure."""

    grpc_status: grpc.StatusCode
    http_status: int

    def __new__(cls, code: str, grpc_status: grpc.StatusCode, http_status: int) -> Self:
        """Give the member its two statuses."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.grpc_status, member.http_status = grpc_status, http_status
        return member

    INTERNAL = "internal", grpc.StatusCode.INTERNAL, 500
    CANCELLED = "cancelled", grpc.StatusCode.CANCELLED, 409
    SIDECAR_UNAVAILABLE = "sidecar_unavailable", grpc.StatusCode.UNAVAILABLE, 503
    SIDECAR_REFUSED = "sidecar_refused", grpc.StatusCode.FAILED_PRECONDITION, 502
    SCRATCH_FULL = "scratch_full", grpc.StatusCode.RESOURCE_EXHAUSTED, 507
    SERVER_NOT_STOPPED = "server_not_stopped", grpc.StatusCode.FAILED_PRECONDITION, 502
    NOT_ENOUGH_SPACE = "not_enough_space", grpc.StatusCode.RESOURCE_EXHAUSTED, 507
    ARCHIVE_DAMAGED = "archive_damaged", grpc.StatusCode.DATA_LOSS, 409
    ARCHIVE_REFUSED = "archive_refused", grpc.StatusCode.INVALID_ARGUMENT, 409
    SOURCE_FAILED = "source_failed", grpc.StatusCode.ABORTED, 502

    @classmethod
    def of(cls, code: str) -> Self | None:
        """The member of this code, None for one that is not in the contract."""
        return next((member for member in cls if member.value == code), None)

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed a little later."""
        return self.grpc_status is grpc.StatusCode.UNAVAILABLE
