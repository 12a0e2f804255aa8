"""The running calls: the operation of each, whether it must stop, and how it ended.

A call must stop when its caller goes away, or when a newer attempt of the same operation takes over. An error reaches
the caller as a status with the error's stable code, and the log as one line.
"""

import json
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

import grpc

from sidecar.calls.fences import Fences
from sidecar.errors import Cancelled, Refused, SidecarError
from wire.contract import CODE_METADATA, PARAMS_METADATA
from wire.errors import ErrorCode
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire

_log = logging.getLogger("sidecar")

# The operation names a folder of the extraction's journal, and appears in the log.
_OPERATION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_OPERATION_CHARACTERS: Final = 100
_DETAIL_CHARACTERS: Final = 500


class ShuttingDown(SidecarError):
    """The daemon takes no new calls."""

    code = ErrorCode.SIDECAR_UNAVAILABLE


class Superseded(Refused):
    """A newer attempt of the operation has taken over."""


class Call:
    """One running call; `stop` asks it to end, from any thread."""

    def __init__(self, *, operation: str, fence: int) -> None:
        self.operation = operation
        self.fence = fence
        self._lock = threading.Lock()
        self._error: SidecarError | None = None
        self._callbacks: list[Callable[[], object]] = []

    def stop(self, error: SidecarError) -> None:
        """Stop the call with `error`; only the first one counts."""
        with self._lock:
            if self._error is not None:
                return
            self._error = error
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def on_stop(self, callback: Callable[[], object]) -> None:
        """Call back when the call is to stop, or at once if it is already."""
        with self._lock:
            if self._error is None:
                self._callbacks.append(callback)
                return
        callback()

    def stopped(self) -> bool:
        """Whether the call is to stop."""
        return self._error is not None

    def check(self) -> None:
        """Raise the error with which the call was stopped."""
        if self._error is not None:
            raise self._error

    def superseded(self) -> bool:
        """Whether a newer attempt has taken the operation over, so that work begun for it may still be needed."""
        return isinstance(self._error, Superseded)


class Calls:
    """All running calls."""

    def __init__(self, fences: Fences) -> None:
        self._fences = fences
        self._changed = threading.Condition()
        self._running: set[Call] = set()
        self._closed = False

    @contextmanager
    def running(
        self, method: str, ticket: wire.Ticket, context: grpc.ServicerContext, *, of_attempt: bool = True
    ) -> Iterator[Call]:
        """Admit a call, then translate and log its result. Older attempts of its operation are stopped.

        A call that is not `of_attempt` changes nothing, so its fence has no meaning: it must be 0.
        """
        call = Call(operation=ticket.operation, fence=ticket.fence)
        began = time.monotonic()
        ending = "ok"
        try:
            self._admit(call, of_attempt=of_attempt)
            if not context.add_callback(lambda: call.stop(Cancelled("The caller went away."))):
                raise Cancelled("The caller went away.")
            yield call
        except SidecarError as error:
            ending = f"{error.code} ({error.detail!r})"
            _abort(context, error)
        except (GeneratorExit, grpc.RpcError):
            # The caller left while it was being answered, or while its requests were awaited.
            ending = "the caller went away"
            raise
        except Exception:  # noqa: BLE001 - logged in full; the caller learns only that it happened
            ending = ErrorCode.INTERNAL
            _log.exception("%s failed unexpectedly", method)
            _abort(context, SidecarError("The sidecar failed unexpectedly."))
        finally:
            self._dismiss(call)
            seconds = time.monotonic() - began
            shown = call.operation[:_OPERATION_CHARACTERS]
            _log.info("%s operation=%r fence=%d %.3f s: %s", method, shown, call.fence, seconds, ending)

    @contextmanager
    def decisive(self, call: Call) -> Iterator[None]:
        """Keep new attempts from taking over inside this block. Raises the error with which the call was stopped."""
        with self._changed:
            call.check()
            yield

    def close(self) -> None:
        """Admit no more calls."""
        with self._changed:
            self._closed = True

    def wait(self, *, timeout: float) -> None:
        """Wait for the running calls to finish, but no longer than `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: not self._running, timeout)

    def end(self) -> None:
        """Stop every running call."""
        with self._changed:
            for call in self._running:
                call.stop(ShuttingDown("The sidecar is shutting down."))

    def _admit(self, call: Call, *, of_attempt: bool) -> None:
        if not _OPERATION.fullmatch(call.operation):
            raise Refused("The call does not name its operation.")
        if not of_attempt and call.fence != 0:
            raise Refused("A call without an attempt must not have a fence.")
        with self._changed:
            if self._closed:
                raise ShuttingDown("The sidecar is shutting down.")
            if of_attempt:
                # Only a limited number of fences is kept: calls without an attempt must not push out others.
                self._fences.admit(operation=call.operation, fence=call.fence)
            for other in self._running:
                if other.operation == call.operation and other.fence < call.fence:
                    other.stop(Superseded("A newer attempt of this operation has taken over."))
            self._running.add(call)

    def _dismiss(self, call: Call) -> None:
        with self._changed:
            self._running.discard(call)
            self._changed.notify_all()


def _abort(context: grpc.ServicerContext, error: SidecarError) -> NoReturn:
    context.set_trailing_metadata(((CODE_METADATA, error.code), (PARAMS_METADATA, json.dumps(error.params))))
    context.abort(error.code.grpc_status, error.detail[:_DETAIL_CHARACTERS])
