"""Reaching the sidecar of a provision, its errors in the product's own words."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from uuid import UUID

from backups.errors import SidecarUnavailableError
from common.errors import CAUSE, ApplicationError
from operations.models import Operation
from provisions.models import Provision
from provisions.services.provisions import sidecar_seen
from provisions.services.sidecar_address import sidecar_address
from sidecar_client.client import SidecarClient, Ticket
from sidecar_client.errors import SidecarClientError, SidecarUnavailable
from sidecar_client.values import SidecarInfo
from wire.errors import ErrorCode

DATA = "/data"
"""The server's files, as the sidecar names them."""
VOLUMES = "/volumes"
"""The folder of the volumes that restores make, as the sidecar names it."""

REACH_SECONDS = 15.0
"""How long to wait for a sidecar that restarts before the work counts as failed."""
REACH_PAUSE_SECONDS = 0.5

_COUNTED = ("_bytes", "_files")


def operation_destination(operation: Operation) -> str:
    """Where a restore or an undo writes, as the sidecar names it."""
    return DATA if operation.volume_id is None else f"{VOLUMES}/{operation.volume_id}"


@contextmanager
def sidecar_open(
    *, sidecar: Provision, operation_id: UUID, fence: int, checkpoint: Callable[[], None] = lambda: None
) -> Iterator[SidecarClient]:
    """A client for one operation, its failures translated; nothing is asked of the sidecar yet.

    checkpoint: raises when the caller's own work was interrupted; asked when a call failed, and goes first. The
    channel is opened here, after the fork.
    """
    ticket = Ticket(operation=str(operation_id), fence=fence)
    with sidecar_errors(checkpoint):
        reached = sidecar_address(sidecar)
        with SidecarClient(address=reached.target, token=reached.token, tls=reached.tls, ticket=ticket) as client:
            yield client


def sidecar_reach(*, client: SidecarClient, sidecar: Provision, checkpoint: Callable[[], None]) -> SidecarInfo:
    """The sidecar's description of itself, stored on its provision. Waits for a sidecar that restarts.

    Raises SidecarUnavailable when it does not answer in time, and what `checkpoint` raises.
    """
    deadline = time.monotonic() + REACH_SECONDS
    pause = threading.Event()
    while True:
        try:
            info = client.describe()
        except SidecarUnavailable:
            checkpoint()
            if time.monotonic() > deadline:
                raise
            pause.wait(REACH_PAUSE_SECONDS)
        else:
            sidecar_seen(
                sidecar=sidecar,
                game_profile=info.profile,
                can_stop=info.can_stop,
                can_make_volumes=info.can_make_volumes,
            )
            return info


@contextmanager
def sidecar_errors(checkpoint: Callable[[], None]) -> Iterator[None]:
    """Translate errors of a sidecar client into the product's own; an interruption of ours goes first."""
    try:
        yield
    except SidecarClientError as error:
        # A call that we cancelled ourselves fails too: our own reason is raised.
        checkpoint()
        raise sidecar_error(error.code, error.params) from error


def sidecar_error(code: str, params: Mapping[str, int | str] | None = None) -> ApplicationError:
    """The product's error for a code that came from a sidecar, with the numbers and the path of its sentence."""
    said = ErrorCode.of(code)
    if said is None or said is ErrorCode.INTERNAL:
        return ApplicationError()
    if said is ErrorCode.CANCELLED:
        # We did not cancel the call: the sidecar is shutting down.
        return SidecarUnavailableError()
    # Other keys of a sidecar are not parameters of the sentence.
    known = {name: value for name, value in (params or {}).items() if name.endswith(_COUNTED) or name in CAUSE}
    return ApplicationError.by_code[said](**known)
