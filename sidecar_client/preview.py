"""Asks a sidecar for the changes that a restore would make."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from itertools import islice

import grpc

from sidecar_client.errors import SidecarFailed
from sidecar_client.upload import requests_send
from sidecar_client.values import Change, RestorePreview
from sidecar_client.waiting import Patience
from wire.enums import ChangeKind
from wire.errors import ErrorCode
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire


def preview_ask(
    *,
    method: grpc.StreamUnaryMultiCallable[bytes, wire.PreviewRestoreReply],
    metadata: tuple[tuple[str, str], ...],
    header: wire.PreviewRestoreRequest.Header,
    listing: Iterable[bytes],
    seconds: float,
    patience: Patience,
) -> RestorePreview:
    """Send the listing and return the sidecar's preview. The sidecar has `seconds` for it.

    Raises as `requests_send`.
    """
    reply = requests_send(
        start=partial(method.future, metadata=metadata, timeout=seconds),
        header=wire.PreviewRestoreRequest(header=header).SerializeToString(),
        field=wire.PreviewRestoreRequest.LISTING_FIELD_NUMBER,
        chunks=listing,
        patience=patience,
    )
    return RestorePreview(
        added=reply.added,
        changed=reply.changed,
        removed=reply.removed,
        bytes=reply.bytes,
        changes=tuple(_change(change) for change in islice(reply.changes, header.paths_limit)),
        more=reply.more,
        stays=reply.stays,
    )


def _change(change: wire.PreviewRestoreReply.Change) -> Change:
    kind = ChangeKind.of(change.kind)
    if kind is None:
        raise SidecarFailed(ErrorCode.INTERNAL, "The sidecar reported a change that the portal does not know.")
    return Change(kind=kind, path=change.path, size_bytes=change.size_bytes)
