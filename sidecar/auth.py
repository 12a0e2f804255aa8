"""Who may call: whoever knows the secret shared with the portal. Health is open to all."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator
from typing import Any, Final, NoReturn

import grpc

_PREFIX: Final = "Bearer "


class TokenRequired(grpc.ServerInterceptor):  # type: ignore[type-arg] # generic in the stubs only
    """Refuses calls of one service that do not carry the token, before anything of them is read."""

    def __init__(self, *, service: str, token: str) -> None:
        self._service = f"/{service}/"
        self._token = token.encode()
        # A handler for a stream of requests does not wait for one, so an uninvited caller holds no thread.
        self._refusal = grpc.stream_unary_rpc_method_handler(_refuse)

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler[Any, Any] | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
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
