"""Both ends of the wire are generated from the same proto and follow it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.pacing import NO_LIMIT
from sidecar.calls.calls import Calls
from sidecar.calls.fences import Fences
from sidecar.daemon.service import FileIO
from sidecar.exclusion.service import Estimates
from sidecar.game.game import Game
from sidecar.game.settings import GameSettings
from sidecar.places.links import LinkRoots
from sidecar.restore.extracting import Extractions
from sidecar.scratch.scratch import Scratch
from sidecar.snapshot.service import Snapshots
from sidecar.snapshot.sessions import Sessions
from sidecar.tls.service import Certificates
from sidecar.volumes import Volumes
from wire import generate
from wire.framing import data_pack, data_unpack
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire


def test_the_generated_code_is_not_stale() -> None:
    assert generate.main(["--check"]) == 0


def test_stale_code_is_found(tmp_path: Path) -> None:
    generate.code_generate(destination=tmp_path)
    assert generate.stale_paths(project=tmp_path) == ()
    changed, missing, _ = generate.generated_paths()
    (tmp_path / changed).write_text("# changed by hand\n")
    (tmp_path / missing).unlink()
    assert generate.stale_paths(project=tmp_path) == (changed, missing)


def test_the_daemon_serves_every_method_of_the_contract(tmp_path: Path) -> None:
    game, links = Game(GameSettings(), folder=tmp_path), LinkRoots()
    calls = Calls(Fences(tmp_path / "fences.json"))
    service = FileIO(
        root=tmp_path,
        scratch=Scratch(tmp_path / "scratch"),
        calls=calls,
        extractions=Extractions(root=tmp_path, server=game.server, links=links, volumes=Volumes(None, like=tmp_path)),
        game=game,
        links=links,
        bandwidth=NO_LIMIT,
    )
    sessions = Sessions(root=tmp_path, scratch=tmp_path, game=game, links=links, bandwidth=NO_LIMIT)
    snapshots = Snapshots(calls=calls, sessions=sessions)
    methods = wire.DESCRIPTOR.services_by_name["FileIO"].methods
    estimates = Estimates(root=tmp_path, calls=calls, links=links)
    certificates = Certificates(folder=None, calls=calls)
    handlers = service.handlers() | snapshots.handlers() | estimates.handlers() | certificates.handlers()
    assert handlers.keys() == {method.name for method in methods}
    for method in methods:
        handler = handlers[method.name]
        assert handler.request_streaming == method.client_streaming
        assert handler.response_streaming == method.server_streaming


@given(data=st.binary(max_size=300), field=st.sampled_from([1, 2]))
def test_content_is_packed_as_the_generated_code_would(data: bytes, field: int) -> None:
    message = wire.ReadFileReply(data=data) if field == 1 else wire.WriteFileRequest(data=data)
    if data:
        assert data_pack(field=field, data=data) == message.SerializeToString()
    assert data_unpack(field=field, message=data_pack(field=field, data=data)) == data


@pytest.mark.parametrize("size", [127, 128, 16_383, 16_384, 1 << 20, (1 << 21) + 1])
def test_content_of_any_size_is_packed_as_the_generated_code_would(size: int) -> None:
    data = bytes(size)
    packed = wire.ReadFileReply(data=data).SerializeToString()
    assert data_pack(field=1, data=memoryview(data)) == packed
    assert data_unpack(field=1, message=packed) == data


@given(message=st.binary(max_size=60))
def test_no_message_is_unpacked_unlike_the_generated_code(message: bytes) -> None:
    data = data_unpack(field=1, message=message)
    if data is not None:
        assert wire.ReadFileReply.FromString(message).data == data


@pytest.mark.parametrize(
    "message",
    [
        wire.ReadFileReply(data=b"content").SerializeToString() + b"\x10\x01",
        wire.ReadFileReply(data=b"content").SerializeToString()[:-1],
        b"\x0a\xff\xff\xff\xff\xff\xff",
        b"\x0a",
        b"",
    ],
)
def test_a_message_of_another_shape_is_left_to_the_generated_code(message: bytes) -> None:
    assert data_unpack(field=1, message=message) is None


@pytest.mark.parametrize("imported", ["sidecar.__main__", "sidecar_client.client"])
def test_neither_end_needs_django_or_opens_a_channel_when_imported(imported: str) -> None:
    script = f"import {imported}, sys, threading; print('django' in sys.modules, threading.active_count())"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=generate.ROOT)
    assert told.stdout.split() == ["False", "1"]
