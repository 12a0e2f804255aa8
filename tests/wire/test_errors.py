"""An error code has one meaning for the daemon, the portal's client and the portal's API."""

from __future__ import annotations

import grpc
import pytest

from backups.services.sidecars import sidecar_error
from common.errors import ApplicationError
from sidecar.calls.calls import ShuttingDown
from sidecar.errors import SidecarError
from sidecar_client.errors import Refused, SidecarFailed, SidecarUnavailable, SourceFailed
from sidecar_client.status import error_from_wire
from wire.errors import ErrorCode

CONTRACT = {
    "internal": (grpc.StatusCode.INTERNAL, 500),
    "cancelled": (grpc.StatusCode.CANCELLED, 409),
    "sidecar_unavailable": (grpc.StatusCode.UNAVAILABLE, 503),
    "sidecar_refused": (grpc.StatusCode.FAILED_PRECONDITION, 502),
    "scratch_full": (grpc.StatusCode.RESOURCE_EXHAUSTED, 507),
    "server_not_stopped": (grpc.StatusCode.FAILED_PRECONDITION, 502),
    "not_enough_space": (grpc.StatusCode.RESOURCE_EXHAUSTED, 507),
    "archive_damaged": (grpc.StatusCode.DATA_LOSS, 409),
    "archive_refused": (grpc.StatusCode.INVALID_ARGUMENT, 409),
    "source_failed": (grpc.StatusCode.ABORTED, 502),
}
OWN_CLASSES = {
    ErrorCode.SIDECAR_UNAVAILABLE: SidecarUnavailable,
    ErrorCode.SIDECAR_REFUSED: Refused,
    ErrorCode.SOURCE_FAILED: SourceFailed,
}


def test_codes_and_statuses_are_the_contract():
    assert {code.value: (code.grpc_status, code.http_status) for code in ErrorCode} == CONTRACT
    assert [code for code in ErrorCode if code.retryable] == ["sidecar_unavailable"]


def test_daemon_raises_every_code():
    raised = {error.code for error in (SidecarError, *SidecarError.__subclasses__())}
    assert raised == set(ErrorCode)
    assert ShuttingDown.code is ErrorCode.SIDECAR_UNAVAILABLE


@pytest.mark.parametrize("code", ErrorCode)
def test_client_raises_every_code(code):
    error = error_from_wire(code=code.value, detail="reason", params='{"needed_bytes": 1}')
    assert type(error) is OWN_CLASSES.get(code, SidecarFailed)
    assert (error.code, error.detail, error.params) == (code, "reason", {"needed_bytes": 1})


@pytest.mark.parametrize("code", ErrorCode)
def test_portal_answers_every_code_with_its_status(code):
    error = ApplicationError.by_code[code]
    assert (error.code, error.status) == (code.value, code.http_status)
    assert type(error.code) is str


@pytest.mark.parametrize("code", [*ErrorCode, "backup_locked", "permission_denied", ""])
def test_sidecar_ends_no_operation_with_another_code(code):
    ends = {ErrorCode.CANCELLED: "sidecar_unavailable"}.get(code, code if code in CONTRACT else "internal")
    error = sidecar_error(code, {"needed_bytes": 1, "path": "a", "wait": 2})
    assert error.code == ends
    is_own = code in CONTRACT and code not in (ErrorCode.CANCELLED, ErrorCode.INTERNAL)
    assert error.params == ({"needed_bytes": 1, "path": "a"} if is_own else {})
