"""The authentication of callers: over TLS by a worker's certificate, within this machine by a secret token.

Every method of every service is behind the same guard, except for the health check, which is open to all.
"""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

import grpc

from wire.contract import WORKER_NAME

_PREFIX: Final = "Bearer "
_NAMES: Final = "x509_subject_alternative_name"
_WORKER: Final = [WORKER_NAME.encode()]

# Generic in the stubs only.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Continuation: TypeAlias = "Callable[[grpc.HandlerCallDetails], Handler | None]"
Known: TypeAlias = "Callable[[grpc.ServicerContext], bool]"
Open: TypeAlias = "Callable[[grpc.ServicerContext], Any]"


class CallersKnown(grpc.ServerInterceptor):  # type: ignore[type-arg] # generic in the stubs only
    """Admits known callers, up to a number of concurrent calls.

    An unknown caller is refused before anything of the call is read, or gets a fixed answer if the method is
    `open_to_all`. It occupies neither a thread nor one of the calls.
    """

    def __init__(self, *, known: Known, refusal: str, calls: int, open_to_all: Mapping[str, Open]) -> None:
        self._known = known
        self._refusal = refusal
        self._calls = threading.Semaphore(calls)
        self._open_to_all = open_to_all

    def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        """Wrap the call's handler in the check. It takes a stream of requests, so that it starts before one arrives."""
        handler = continuation(handler_call_details)
        if handler is None:
            return None
        behaviour: Any = next(
            found
            for found in (handler.unary_unary, handler.unary_stream, handler.stream_unary, handler.stream_stream)
            if found
        )
        open_to_all = self._open_to_all.get(handler_call_details.method)

        def guarded(requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
            if not self._known(context):
                if open_to_all is not None:
                    return open_to_all(context)
                context.abort(grpc.StatusCode.UNAUTHENTICATED, self._refusal)
            self._count(context)
            return behaviour(requests if handler.request_streaming else _only(requests, context), context)

        make: Any = (
            grpc.stream_stream_rpc_method_handler
            if handler.response_streaming
            else grpc.stream_unary_rpc_method_handler
        )
        guard: Handler = make(guarded, handler.request_deserializer, handler.response_serializer)
        return guard

    def _count(self, context: grpc.ServicerContext) -> None:
        if not self._calls.acquire(blocking=False):
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "Too many calls at once.")
        if not context.add_callback(self._calls.release):
            # The call ended before the callback was added.
            self._calls.release()
            context.abort(grpc.StatusCode.CANCELLED, "The caller is gone.")


def token_known(token: str) -> Known:
    """A check for callers with this token in their metadata."""
    secret = token.encode()

    def known(context: grpc.ServicerContext) -> bool:
        for key, value in context.invocation_metadata():
            if key == "authorization" and isinstance(value, str) and value.startswith(_PREFIX):
                return hmac.compare_digest(value.removeprefix(_PREFIX).encode(), secret)
        return False

    return known


def worker_known(context: grpc.ServicerContext) -> bool:
    """Whether the caller's certificate is a worker's.

    The handshake has verified that an authority of the portal signed it. Those authorities sign the certificates of
    sidecars too, and a sidecar must not get in.
    """
    # The stubs declare one value in place of a list.
    names: Any = context.auth_context().get(_NAMES)
    return bool(names == _WORKER)


def _only(requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
    request = next(requests, None)
    if request is None:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "The request is missing.")
    return request
