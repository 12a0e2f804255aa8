"""The connection to one sidecar: its security, its message size, its timeouts."""

from typing import Any, Final

import grpc

from sidecar_client.values import Address
from wire.contract import MESSAGE_BYTES

_OPTIONS: Final = (
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    # A dead connection is noticed after at most 20 s.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    # A sidecar that restarts is found soon, even after a long absence.
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # The operation counts the attempts. A proxy from the environment would see the token.
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),
)


def channel_open(*, address: Address) -> grpc.Channel:
    """Open a channel to the sidecar, which connects on first use. Never open one before a fork (grpc#15334)."""
    options: tuple[tuple[str, Any], ...] = _OPTIONS
    if address.tls is not None:
        # The address does not identify the sidecar: only this name does.
        options = (*options, ("grpc.ssl_target_name_override", address.tls.server_name))
    return grpc.secure_channel(address.target, _credentials(address=address), options=options)


def _credentials(*, address: Address) -> grpc.ChannelCredentials:
    """Mutual TLS, or connections within this machine only.

    Neither falls back to the other, and no token is sent before a successful handshake.
    """
    if address.tls is not None:
        return grpc.ssl_channel_credentials(
            root_certificates=address.tls.authorities,
            private_key=address.tls.key,
            certificate_chain=address.tls.certificate,
        )
    if address.target.startswith("unix:"):
        return grpc.local_channel_credentials(grpc.LocalConnectionType.UDS)
    return grpc.local_channel_credentials(grpc.LocalConnectionType.LOCAL_TCP)
