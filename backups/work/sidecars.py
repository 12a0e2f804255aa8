"""Reaching the sidecar of a provision, its errors in the product's own words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from backups.errors import SidecarUnavailableError
from backups.models import Operation
from backups.work.lease import Lease
from common.errors import ApplicationError
from provisions.models import Provision
from sidecar_client.client import SidecarClient, Ticket
from sidecar_client.errors import SidecarClientError

FROM_SIDECAR = frozenset(
    {
        "sidecar_unavailable",
        "sidecar_refused",
        "scratch_full",
        "not_enough_space",
        "archive_damaged",
        "archive_refused",
        "source_failed",
    }
)
"""What a sidecar may say of itself. It is not trusted to end an operation with any other code."""


@contextmanager
def sidecar_open(*, sidecar: Provision, operation: Operation, lease: Lease) -> Iterator[SidecarClient]:
    """A client for one operation, its failures translated. The channel is opened here, after the fork."""
    ticket = Ticket(operation=str(operation.id), fence=operation.fence)
    with (
        sidecar_errors(lease),
        SidecarClient(address=sidecar.address, token=sidecar.token or "", ticket=ticket) as client,
    ):
        yield client


@contextmanager
def sidecar_errors(lease: Lease) -> Iterator[None]:
    """Turn what a sidecar client raises into the product's errors; an interruption of ours goes first."""
    try:
        yield
    except SidecarClientError as error:
        # A call that we cut off ourselves fails too: the reason is ours.
        lease.checkpoint()
        raise sidecar_error(error.code) from error


def sidecar_error(code: str) -> ApplicationError:
    """The product's error for a code that came from a sidecar."""
    if code in FROM_SIDECAR:
        return ApplicationError.by_code[code]()
    return SidecarUnavailableError() if code == "cancelled" else ApplicationError()
