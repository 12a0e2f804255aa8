"""The connection to one sidecar: how it is secured, how large its messages are, when it counts as dead."""

from typing import Final

import grpc

from sidecar_client.contract import MESSAGE_BYTES
from sidecar_client.values import Address

_OPTIONS: Final = (
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    # A peer that vanished without a word is noticed after at most 20 s.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    # One that is back is found soon, however long it was away.
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # Attempts are counted by the operation; a proxy from the environment would be shown the token.
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),
)


def channel_open(*, address: Address) -> grpc.Channel:
    """A channel to the sidecar, connecting when first used; not to be opened before a fork (grpc#15334)."""
    return grpc.secure_channel(address.target, _credentials(address=address), options=_OPTIONS)


def _credentials(*, address: Address) -> grpc.ChannelCredentials:
    """Connections within this machine only: the handshake fails, and no token is sent, to any other peer."""
    if address.target.startswith("unix:"):
        return grpc.local_channel_credentials(grpc.LocalConnectionType.UDS)
    return grpc.local_channel_credentials(grpc.LocalConnectionType.LOCAL_TCP)
