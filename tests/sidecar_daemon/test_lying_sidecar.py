"""A sidecar that lies, stops early or falls silent causes a typed error within seconds."""

# ruff: noqa: S108 - /tmp is a name on the wire, not this machine's folder

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator

import grpc
import pytest
from isal import isal_zlib

from sidecar_client.client import ArchiveResult, ExtractResult, SidecarClient, Ticket, Timeouts
from sidecar_client.errors import (
    Cancelled,
    Refused,
    SidecarClientError,
    SidecarFailed,
    SidecarUnavailable,
    SourceFailed,
)
from tests.sidecar_daemon.scripted_sidecar import CONTENT, STALL_SECONDS, ScriptedSidecar, serving
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire

MIB = 1 << 20


def never() -> bool:
    return False


def archive(client: SidecarClient, *, cancelled: Callable[[], bool] = never) -> tuple[bytes, ArchiveResult]:
    with client.archive_stream(
        source="/data", output="/tmp/out", on_progress=lambda _: None, cancelled=cancelled
    ) as stream:
        return b"".join(stream), stream.result


def extract(client: SidecarClient, *, cancelled: Callable[[], bool] = never) -> ExtractResult:
    return client.archive_extract(
        source="/tmp/in", destination="/data", mode="replace", on_progress=lambda _: None, cancelled=cancelled
    )


def write(client: SidecarClient, *, count: int = 1) -> None:
    client.file_write(path="/tmp/in", size=count * MIB, chunks=(bytes(MIB) for _ in range(count)))


@pytest.fixture
def scripted() -> ScriptedSidecar:
    return ScriptedSidecar()


@pytest.fixture
def client(scripted: ScriptedSidecar) -> Iterator[SidecarClient]:
    with serving(scripted) as client:
        yield client


def test_an_honest_one_is_believed(client: SidecarClient) -> None:
    content, result = archive(client)
    assert content == CONTENT
    assert result.crc32 == isal_zlib.crc32(CONTENT)
    assert extract(client).files == 1
    write(client)


def test_a_result_is_not_to_be_had_before_the_end(client: SidecarClient) -> None:
    with client.archive_stream(
        source="/data", output="/tmp/out", on_progress=lambda _: None, cancelled=never
    ) as stream:
        next(iter(stream))
        with pytest.raises(RuntimeError, match="before it has been read to its end"):
            _ = stream.result


@pytest.mark.parametrize(
    "result",
    [
        None,
        wire.CompressResult(),
        wire.CompressResult(size_bytes=len(CONTENT), crc32=1),
        wire.CompressResult(size_bytes=len(CONTENT) + 1, crc32=isal_zlib.crc32(CONTENT)),
        wire.CompressResult(
            size_bytes=len(CONTENT), crc32=isal_zlib.crc32(CONTENT), warnings=[wire.Warning(kind=99, path=b"x")]
        ),
    ],
)
def test_a_wrong_or_missing_result_is_a_failed_source(
    scripted: ScriptedSidecar, client: SidecarClient, result: wire.CompressResult | None
) -> None:
    scripted.result = result
    with pytest.raises(SourceFailed):
        archive(client)


@pytest.mark.parametrize("content", [[], [CONTENT[:-1]], [CONTENT, b"more"], [CONTENT[:5], b"", CONTENT[6:]]])
def test_content_that_ends_early_or_is_other_content_is_a_failed_source(
    scripted: ScriptedSidecar, client: SidecarClient, content: list[bytes]
) -> None:
    scripted.content = content
    with pytest.raises(SourceFailed):
        archive(client)


@pytest.mark.parametrize(
    "reply", [wire.WriteFileReply(), wire.WriteFileReply(size_bytes=MIB), wire.WriteFileReply(size_bytes=1, crc32=1)]
)
def test_a_file_written_wrongly_is_not_taken_for_written(
    scripted: ScriptedSidecar, client: SidecarClient, reply: wire.WriteFileReply
) -> None:
    scripted.written = lambda _: reply
    with pytest.raises(SidecarFailed) as failure:
        write(client)
    assert failure.value.code == "archive_damaged"


def test_an_extraction_that_ends_without_a_result_is_left_to_the_journal(
    scripted: ScriptedSidecar, client: SidecarClient
) -> None:
    for script in ([], scripted.extract[:1], [wire.ExtractToReply(phase=wire.ExtractToReply.PHASE_DONE)]):
        scripted.extract = script
        with pytest.raises(SidecarUnavailable):
            extract(client)


def test_a_phase_that_does_not_exist_is_a_typed_error(scripted: ScriptedSidecar, client: SidecarClient) -> None:
    scripted.extract = [wire.ExtractToReply(phase=7)]
    with pytest.raises(SidecarFailed) as failure:
        extract(client)
    assert failure.value.code == "internal"


@pytest.mark.parametrize(
    "outcome",
    [
        wire.GetExtractOutcomeReply(),
        wire.GetExtractOutcomeReply(outcome=9),
        wire.GetExtractOutcomeReply(outcome=wire.GetExtractOutcomeReply.OUTCOME_COMPLETED),
        wire.GetExtractOutcomeReply(
            outcome=wire.GetExtractOutcomeReply.OUTCOME_ROLLED_BACK, result=wire.ExtractResult(files=1)
        ),
    ],
)
def test_an_outcome_that_makes_no_sense_is_a_typed_error(
    scripted: ScriptedSidecar, client: SidecarClient, outcome: wire.GetExtractOutcomeReply
) -> None:
    scripted.outcome = outcome
    with pytest.raises(SidecarFailed) as failure:
        client.extract_outcome()
    assert failure.value.code == "internal"


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (grpc.StatusCode.FAILED_PRECONDITION, "sidecar_refused", (Refused, "sidecar_refused")),
        (grpc.StatusCode.ABORTED, "source_failed", (SourceFailed, "source_failed")),
        (grpc.StatusCode.UNAVAILABLE, "sidecar_unavailable", (SidecarUnavailable, "sidecar_unavailable")),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "scratch_full", (SidecarFailed, "scratch_full")),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "not_enough_space", (SidecarFailed, "not_enough_space")),
        (grpc.StatusCode.INTERNAL, "not_a_code", (SidecarFailed, "internal")),
        (grpc.StatusCode.INTERNAL, "", (SidecarFailed, "internal")),
        (grpc.StatusCode.INTERNAL, None, (SidecarFailed, "internal")),
        (grpc.StatusCode.UNKNOWN, None, (SidecarFailed, "internal")),
        (grpc.StatusCode.UNAVAILABLE, None, (SidecarUnavailable, "sidecar_unavailable")),
        (grpc.StatusCode.DEADLINE_EXCEEDED, None, (SidecarUnavailable, "sidecar_unavailable")),
        (grpc.StatusCode.CANCELLED, None, (SidecarUnavailable, "sidecar_unavailable")),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, None, (SidecarUnavailable, "sidecar_unavailable")),
        (grpc.StatusCode.UNAUTHENTICATED, None, (Refused, "sidecar_refused")),
        (grpc.StatusCode.UNIMPLEMENTED, None, (Refused, "sidecar_refused")),
    ],
)
def test_every_way_to_fail_is_a_typed_error(
    scripted: ScriptedSidecar,
    client: SidecarClient,
    status: grpc.StatusCode,
    code: str | None,
    expected: tuple[type[SidecarClientError], str],
) -> None:
    scripted.failure = status, "why it failed", code
    for call in (client.describe, client.extract_outcome):
        with pytest.raises(SidecarClientError) as failure:
            call()
        assert (type(failure.value), failure.value.code) == expected
    for work in (archive, extract, write):
        with pytest.raises(SidecarClientError) as failure:
            work(client)
        assert (type(failure.value), failure.value.code) == expected


def test_a_detail_is_shown_short_and_without_control_characters(
    scripted: ScriptedSidecar, client: SidecarClient
) -> None:
    scripted.failure = grpc.StatusCode.ABORTED, "a\nb\x1b[31m" + "x" * 2000, "source_failed"
    with pytest.raises(SourceFailed) as failure:
        client.describe()
    assert failure.value.detail.startswith("ab[31mx")
    assert len(failure.value.detail) <= 500


@pytest.mark.parametrize(
    ("silent_at", "work"),
    [
        ("Describe", SidecarClient.describe),
        ("CompressFiles", archive),
        ("CompressFiles end", archive),
        ("ReadFile", archive),
        ("ReadFile end", archive),
        ("WriteFile", lambda client: write(client, count=64)),
        ("WriteFile end", write),
        ("ExtractTo", extract),
        ("ExtractTo end", extract),
        ("GetExtractOutcome", SidecarClient.extract_outcome),
    ],
)
def test_a_sidecar_that_falls_silent_is_unavailable(
    scripted: ScriptedSidecar, client: SidecarClient, silent_at: str, work: Callable[[SidecarClient], object]
) -> None:
    scripted.silent_at = {silent_at}
    began = time.monotonic()
    with pytest.raises(SidecarUnavailable):
        work(client)
    assert time.monotonic() - began < 4 * STALL_SECONDS


def test_a_sign_of_life_is_enough_while_there_is_no_content_yet(
    scripted: ScriptedSidecar, client: SidecarClient
) -> None:
    scripted.silent_at = {"heartbeats only", "ReadFile"}
    began = time.monotonic()
    with pytest.raises(Cancelled):
        archive(client, cancelled=lambda: time.monotonic() - began > 2 * STALL_SECONDS)
    assert 2 * STALL_SECONDS <= time.monotonic() - began < 2 * STALL_SECONDS + 2


@pytest.mark.parametrize(
    ("silent_at", "work"), [("ReadFile", archive), ("CompressFiles", archive), ("ExtractTo", extract)]
)
def test_a_cancel_is_seen_while_nothing_comes(
    scripted: ScriptedSidecar, client: SidecarClient, silent_at: str, work: Callable[..., object]
) -> None:
    scripted.silent_at = {silent_at}
    began = time.monotonic()
    with pytest.raises(Cancelled):
        work(client, cancelled=lambda: True)
    assert time.monotonic() - began < STALL_SECONDS


def test_a_slow_reader_is_no_stalled_sidecar(scripted: ScriptedSidecar, client: SidecarClient) -> None:
    parts = [bytes(MIB)] * 12
    whole = b"".join(parts)
    scripted.content = parts
    scripted.result = wire.CompressResult(size_bytes=len(whole), crc32=isal_zlib.crc32(whole))
    received = 0
    with client.archive_stream(
        source="/data", output="/tmp/out", on_progress=lambda _: None, cancelled=never
    ) as stream:
        for part in stream:
            if not received:
                # Longer than the client's timeout for a silent sidecar.
                scripted.released.wait(2 * STALL_SECONDS)
            received += len(part)
    assert received == len(whole)


def test_a_port_that_swallows_everything_is_an_unavailable_sidecar() -> None:
    with socket.create_server(("127.0.0.1", 0)) as black_hole:
        timeouts = Timeouts(describe=STALL_SECONDS, reply=STALL_SECONDS, stall=STALL_SECONDS)
        address = f"127.0.0.1:{black_hole.getsockname()[1]}"
        ticket = Ticket(operation="operation", fence=1)
        for work in (SidecarClient.describe, archive, extract, lambda client: write(client, count=64)):
            began = time.monotonic()
            with (
                SidecarClient(address=address, token="any", ticket=ticket, timeouts=timeouts) as client,
                pytest.raises(SidecarUnavailable),
            ):
                work(client)
            assert time.monotonic() - began < 3 * STALL_SECONDS
