"""Who may call: over TLS the portal's workers, on this machine whoever knows the secret shared with the portal.

Health is open to all who can connect.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator
from typing import Any, Final, NoReturn, TypeAlias

import grpc

from sidecar_client.contract import WORKER_NAME

_PREFIX: Final = "Bearer "
_NAMES: Final = "x509_subject_alternative_name"
_WORKER: Final = [WORKER_NAME.encode()]

# Generic in the stubs only.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Continuation: TypeAlias = "Callable[[grpc.HandlerCallDetails], Handler | None]"


class WorkerRequired(grpc.ServerInterceptor):  # type: ignore[type-arg] # generic in the stubs only
    """Refuses calls of one service unless the caller's certificate is a worker's, before anything of them is read.

    That an authority of the portal signed it the handshake has seen to. The certificate of another sidecar, which it
    signed as well, opens nothing.
    """

    def __init__(self, *, service: str) -> None:
        self._service = f"/{service}/"

    def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        """The call's own handler, behind the check."""
        handler = continuation(handler_call_details)
        if handler is None or not handler_call_details.method.startswith(self._service):
            return handler
        return _guarded(handler)


class TokenRequired(grpc.ServerInterceptor):  # type: ignore[type-arg] # generic in the stubs only
    """Refuses calls of one service that do not carry the token, before anything of them is read."""

    def __init__(self, *, service: str, token: str) -> None:
        self._service = f"/{service}/"
        self._token = token.encode()
        # A handler for a stream of requests does not wait for one, so an uninvited caller holds no thread.
        self._refusal = grpc.stream_unary_rpc_method_handler(_refuse)

    def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        """The call's own handler, or one that refuses."""
        if handler_call_details.method.startswith(self._service) and not self._known(handler_call_details):
            return self._refusal
        return continuation(handler_call_details)

    def _known(self, details: grpc.HandlerCallDetails) -> bool:
        for key, value in details.invocation_metadata:
            if key == "authorization" and isinstance(value, str) and value.startswith(_PREFIX):
                return hmac.compare_digest(value.removeprefix(_PREFIX).encode(), self._token)
        return False


def _refuse(_requests: Iterator[bytes], context: grpc.ServicerContext) -> NoReturn:
    context.abort(grpc.StatusCode.UNAUTHENTICATED, "The token is missing or wrong.")


def _guarded(handler: Handler) -> Handler:
    """The handler for a worker. It takes a stream whatever the method takes, so that it is asked before reading."""
    behaviour: Any = next(
        found
        for found in (handler.unary_unary, handler.unary_stream, handler.stream_unary, handler.stream_stream)
        if found
    )

    def guarded(requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
        # The stubs have one value where there is a list of them.
        names: Any = context.auth_context().get(_NAMES)
        if names != _WORKER:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "The certificate is not a worker's.")
        return behaviour(requests if handler.request_streaming else _only(requests, context), context)

    make: Any = (
        grpc.stream_stream_rpc_method_handler if handler.response_streaming else grpc.stream_unary_rpc_method_handler
    )
    guard: Handler = make(guarded, handler.request_deserializer, handler.response_serializer)
    return guard


def _only(requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
    request = next(requests, None)
    if request is None:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "The request is missing.")
    return request
