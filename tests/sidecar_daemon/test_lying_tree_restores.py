"""A sidecar that asks for contents as no sidecar does causes a typed error within seconds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pytest

from sidecar_client.client import ExtractResult, SidecarClient
from sidecar_client.errors import SidecarFailed, SidecarUnavailable
from tests.sidecar_daemon.scripted_sidecar import STALL_SECONDS, ScriptedSidecar, serving
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire


@pytest.fixture
def scripted() -> ScriptedSidecar:
    return ScriptedSidecar()


@pytest.fixture
def client(scripted: ScriptedSidecar) -> Iterator[SidecarClient]:
    with serving(scripted) as client:
        yield client


def wanted(number: int, *files: int) -> wire.RestoreTreeReply:
    return wire.RestoreTreeReply(wanted=wire.RestoreTreeReply.Wanted(files=files, **{"pass": number}))


def restore(client: SidecarClient, *, listing: Iterable[bytes] = (b"listing",)) -> ExtractResult:
    def contents(numbers: Sequence[int]) -> Iterator[memoryview | int]:
        return (memoryview(b"%d" % number) for number in numbers)

    return client.tree_restore(
        listing=listing,
        contents=contents,
        destination="/data",
        mode="replace",
        on_progress=lambda _: None,
        cancelled=lambda: False,
    )


def test_honest_requests_are_served(scripted: ScriptedSidecar, client: SidecarClient) -> None:
    scripted.tree = [wanted(1, 0, 5, 7), wanted(1, 8), wanted(3, 2)]

    assert restore(client).files == 1


@pytest.mark.parametrize(
    "replies",
    [
        [wanted(1, 3, 3)],
        [wanted(1, 3, 2)],
        [wanted(1, 3), wanted(1, 3)],
        [wanted(2, 3), wanted(1, 4)],
        [wanted(1, *range(70_000))],
        [wire.RestoreTreeReply(progress=wire.ExtractToReply(phase=99))],  # type: ignore[arg-type]  # no such phase: it lies
        [wire.RestoreTreeReply()],
    ],
)
def test_requests_that_no_sidecar_makes_end_the_restore(
    scripted: ScriptedSidecar, client: SidecarClient, replies: list[wire.RestoreTreeReply]
) -> None:
    scripted.tree = replies

    with pytest.raises(SidecarFailed) as failure:
        restore(client)
    assert failure.value.code == "internal"


def test_sidecar_that_sends_no_result_is_unavailable(scripted: ScriptedSidecar, client: SidecarClient) -> None:
    scripted.extract = scripted.extract[:1]

    with pytest.raises(SidecarUnavailable):
        restore(client)


def test_slow_reading_of_the_manifest_is_no_stall_of_the_sidecar(
    scripted: ScriptedSidecar, client: SidecarClient
) -> None:
    def listing() -> Iterator[bytes]:
        yield b"begin"
        assert not scripted.released.wait(2 * STALL_SECONDS)
        scripted.listed.set()
        yield b"end"

    scripted.listed.clear()

    assert restore(client, listing=listing()).files == 1


@pytest.mark.parametrize("step", ["RestoreTree", "RestoreTree end"])
def test_sidecar_that_falls_silent_is_unavailable(scripted: ScriptedSidecar, client: SidecarClient, step: str) -> None:
    scripted.silent_at.add(step)

    with pytest.raises(SidecarUnavailable):
        restore(client)
