"""Translates the end of a call into the client's errors."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import grpc

from sidecar_client.errors import Refused, SidecarClientError, SidecarFailed, SidecarUnavailable, SourceFailed
from wire.contract import CODE_METADATA, PARAMS_METADATA
from wire.errors import ErrorCode

_DETAIL_CHARACTERS: Final = 500
_PARAMS_CHARACTERS: Final = 4000
_PATH_CHARACTERS: Final = 1000
_ERRNO: Final = re.compile(r"E[A-Z0-9]{1,20}")
_NUMBER_MAX: Final = 2**63 - 1

_REFUSALS: Final = frozenset(
    {
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)
# gRPC's messages for a missing or wrong certificate in the handshake. Only the text tells: the status is that of an
# unreachable peer. A peer that refuses our certificate closes the connection, and counts as unreachable.
_NOT_BELIEVED: Final = ("CERTIFICATE_VERIFY_FAILED", "Verification Check failed", "WRONG_VERSION_NUMBER")
# gRPC's own statuses for a peer that goes away, is too slow or too busy. The client never asks for the status of a
# call that it cancelled, so CANCELLED means that the sidecar is shutting down.
_ABSENCES: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    }
)


def error_from_wire(*, code: str, detail: str, params: str = "") -> SidecarClientError:
    """The error for a sidecar's code; an unknown code becomes `internal`."""
    known = ErrorCode.of(code)
    if known is None:
        return SidecarFailed(ErrorCode.INTERNAL, "The sidecar reported a failure that the portal does not know.")
    error = _error(known, _printable(detail, _DETAIL_CHARACTERS))
    error.params = _params(params)
    return error


def _error(code: ErrorCode, detail: str) -> SidecarClientError:
    if code.retryable:
        return SidecarUnavailable(detail)
    if code is ErrorCode.SIDECAR_REFUSED:
        return Refused(detail)
    return SourceFailed(detail) if code is ErrorCode.SOURCE_FAILED else SidecarFailed(code, detail)


def error_from_status(error: grpc.RpcError) -> SidecarClientError:
    """The error for a call that ended with another status than OK."""
    if not isinstance(error, grpc.Call):
        return SidecarUnavailable("The sidecar does not answer.")
    told = {key: str(value) for key, value in error.trailing_metadata() or ()}
    if CODE_METADATA in told:
        return error_from_wire(
            code=told[CODE_METADATA], detail=error.details() or "", params=told.get(PARAMS_METADATA, "")
        )
    status = error.code()
    if any(words in (error.details() or "") for words in _NOT_BELIEVED):
        return Refused("The sidecar could not prove its identity.")
    if status in _ABSENCES:
        return SidecarUnavailable("The sidecar does not answer.")
    if status in _REFUSALS:
        return Refused("The sidecar does not accept calls from this portal.")
    return SidecarFailed(ErrorCode.INTERNAL, "The sidecar failed without giving a reason.")


def _params(text: str) -> dict[str, int | str]:
    """The numbers, the path and the errno name for a sentence. Other text of a sidecar is dropped, since it is not
    trusted.
    """
    try:
        values = json.loads(text) if len(text) <= _PARAMS_CHARACTERS else {}
    except ValueError:
        return {}
    pairs = values.items() if isinstance(values, dict) else ()
    known: dict[str, int | str] = {}
    for name, value in pairs:
        if type(value) is int and 0 <= value <= _NUMBER_MAX:
            known[name] = value
        elif name == "path" and isinstance(value, str):
            known[name] = _printable(value, _PATH_CHARACTERS)
        elif name == "errno" and isinstance(value, str) and _ERRNO.fullmatch(value):
            known[name] = value
    return known


def _printable(text: str, characters: int) -> str:
    return "".join(character for character in text[:characters] if character.isprintable())


@contextmanager
def status_translated() -> Iterator[None]:
    """Raise gRPC's errors as the client's."""
    try:
        yield
    except grpc.RpcError as error:
        raise error_from_status(error) from None
