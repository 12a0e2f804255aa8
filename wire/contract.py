"""Constants that both ends of the wire share, beside its messages."""

from typing import Final

from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire

SERVICE: Final = wire.DESCRIPTOR.services_by_name["FileIO"].full_name

CODE_METADATA: Final = "savepoint-code"
"""The trailing metadata that carries a failure's stable code."""

PARAMS_METADATA: Final = "savepoint-params"
"""The trailing metadata with the parameters of the code's sentence: a JSON object of numbers."""

DATA_BYTES: Final = 1 << 20
"""File content in one message: larger ones gain nothing, and memory is a small multiple of it."""

SMALL_FILE_BYTES: Final = 128 << 10
"""The largest file that a snapshot's reading answers in one piece."""

MESSAGE_BYTES: Final = 8 << 20
"""The largest message either end takes."""

WARNINGS_KEPT: Final = 1000
"""Warnings in one result; the rest is only counted."""

PATTERNS_MAX: Final = 500
"""The most patterns in force for one backup."""

PATTERN_BYTES_MAX: Final = 1000
"""The longest pattern, in bytes."""

WORKER_NAME: Final = "worker.savepoint"
"""The name in the certificate of every worker. A sidecar takes calls over TLS from no other."""


def sidecar_name(provision: str) -> str:
    """The name in a sidecar's certificate; a worker looks for exactly this one."""
    return f"{provision}.sidecar.savepoint"
