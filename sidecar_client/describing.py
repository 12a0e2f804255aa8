"""What a sidecar says of itself and its game, checked."""

from __future__ import annotations

from typing import Final

from sidecar_client.errors import SourceFailed
from sidecar_client.values import GameState, SidecarInfo
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire

COUNTERS_CHARACTERS: Final = 64
_COUNT_MAX: Final = 2**63 - 1


def info_from_wire(reply: wire.DescribeReply) -> SidecarInfo:
    """The description; raises `SourceFailed` for counts of the game that there cannot be."""
    return SidecarInfo(
        version=reply.version,
        data_free_bytes=reply.data_free_bytes,
        scratch_free_bytes=reply.scratch_free_bytes,
        profile=reply.profile or "none",
        can_quiesce=reply.can_quiesce,
        can_stop=reply.can_stop,
        can_make_volumes=reply.can_make_volumes,
        takes_chunks=reply.takes_chunks,
        game=_game(reply.game) if reply.HasField("game") else None,
    )


def _game(state: wire.GameState) -> GameState:
    if not 0 < len(state.counters) <= COUNTERS_CHARACTERS or not state.counters.isalnum():
        raise SourceFailed("The sidecar counts the game's starts under an impossible name.")
    if max(state.starts, state.ends) > _COUNT_MAX:
        raise SourceFailed("The sidecar counted more starts of the game than there can be.")
    return GameState(state.counters, state.running, state.starts, state.ends, state.changed_at_ns)
