"""A backup and a restore over the wire."""

# ruff: noqa: S108 - /tmp is a name on the wire, not this machine's folder

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from demo.comparison import live_read, tree_read
from sidecar_client.client import ArchiveProgress, ExtractProgress, SidecarClient
from tests.sidecar_daemon.daemon import Daemon, any_operation
from tests.sidecar_daemon.worlds import small_world
from tests.volumes import inode_take
from wire.enums import OutcomeKind, Phase

pytestmark = pytest.mark.processes

OUTPUT = "/tmp/backup.tar.gz"


def never() -> bool:
    return False


def back_up(client: SidecarClient, *, source: str = "/data") -> tuple[bytes, list[ArchiveProgress]]:
    told: list[ArchiveProgress] = []
    with client.archive_stream(source=source, output=OUTPUT, on_progress=told.append, cancelled=never) as stream:
        packed = b"".join(stream)
    assert stream.result.size_bytes == len(packed)
    return packed, told


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "unix:{folder}/socket"])
def test_a_packed_world_comes_back_byte_for_byte(idle_daemon: Daemon, listen: str) -> None:
    idle_daemon.listen = listen.format(folder=idle_daemon.folder)
    small_world(idle_daemon.world)
    before = live_read(idle_daemon.world)
    idle_daemon.start()
    with idle_daemon.client() as client:
        packed, told = back_up(client)
        client.file_delete(path=OUTPUT)
    assert idle_daemon.left_in_scratch() == []
    in_files = sum(entry.size for entry in before.values())
    assert told[-1].bytes_read == told[-1].bytes_total == in_files

    shutil.rmtree(idle_daemon.world / "region")
    (idle_daemon.world / "level.dat").write_bytes(b"ruined")
    (idle_daemon.world / "new file").touch()
    phases: list[ExtractProgress] = []
    with idle_daemon.client() as client:
        client.file_write(path="/tmp/in.tar.gz", size=len(packed), chunks=[packed[:100], packed[100:]])
        result = client.archive_extract(
            source="/tmp/in.tar.gz", destination="/data", mode="replace", on_progress=phases.append, cancelled=never
        )
        assert client.extract_outcome().kind is OutcomeKind.COMPLETED
        assert client.extract_outcome().result == result
        client.extract_release()
        assert client.extract_outcome().kind is OutcomeKind.NONE
    assert live_read(idle_daemon.world) == before
    assert phases[-1].phase is Phase.DONE
    assert result.removed == 1


def test_an_overlay_leaves_files_that_the_archive_does_not_have(daemon: Daemon) -> None:
    (daemon.world / "old").write_bytes(b"old")
    with daemon.client() as client:
        packed, _ = back_up(client)
    (daemon.world / "extra").write_bytes(b"extra")
    with daemon.client() as client:
        client.file_write(path="/tmp/in", size=len(packed), chunks=[packed])
        client.archive_extract(
            source="/tmp/in", destination="/data", mode="overlay", on_progress=lambda _: None, cancelled=never
        )
    assert (daemon.world / "extra").read_bytes() == b"extra"


@pytest.mark.usefixtures("own_volume")
def test_a_new_file_with_a_freed_inode_is_no_link_to_the_old_one(daemon: Daemon) -> None:
    world, size = daemon.world, 3 << 30
    (world / "a-one").write_bytes(b"first")
    (world / "a-two").hardlink_to(world / "a-one")
    (world / "z.dat").write_bytes(b"old")
    with (world / "b-big").open("wb") as big:
        big.truncate(size)
    freed = (world / "a-one").stat().st_ino
    struck: list[int] = []

    def reuse(progress: ArchiveProgress) -> None:
        if 5 < progress.bytes_read < size and not struck:
            (world / "a-one").unlink()
            (world / "a-two").unlink()
            inode_take(freed, world, b"other").replace(world / "z.dat")
            struck.append(progress.bytes_read)

    with (
        daemon.client() as client,
        client.archive_stream(source="/data", output=OUTPUT, on_progress=reuse, cancelled=never) as stream,
    ):
        packed = b"".join(stream)
    assert len(struck) == 1
    assert (world / "z.dat").stat().st_ino == freed
    (world / "b-big").unlink()
    (world / "z.dat").unlink()
    with daemon.client() as client:
        client.file_write(path="/tmp/in", size=len(packed), chunks=[packed])
        client.archive_extract(
            source="/tmp/in", destination="/data", mode="replace", on_progress=lambda _: None, cancelled=never
        )
    assert {name: (world / name).read_bytes() for name in ("a-one", "a-two", "z.dat")} == {
        "a-one": b"first",
        "a-two": b"first",
        "z.dat": b"other",
    }


def test_a_folder_of_the_data_is_packed_without_its_own_name(daemon: Daemon, tmp_path: Path) -> None:
    (daemon.world / "saves").mkdir()
    (daemon.world / "saves" / "one").write_bytes(b"1")
    (daemon.world / "other").write_bytes(b"2")
    with daemon.client() as client:
        packed, _ = back_up(client, source="/data/saves")
    archive = tmp_path / "archive.tar.gz"
    archive.write_bytes(packed)
    shutil.unpack_archive(archive, tmp_path / "out", filter="data")
    assert set(tree_read(tmp_path / "out")) == {b"one"}


def test_skipped_entry_causes_a_warning(daemon: Daemon) -> None:
    os.mkfifo(daemon.world / "pipe")
    with (
        daemon.client() as client,
        client.archive_stream(source="/data", output=OUTPUT, on_progress=lambda _: None, cancelled=never) as stream,
    ):
        assert b"".join(stream)
    assert [(warning.kind, warning.path) for warning in stream.result.warnings] == [("skipped", b"pipe")]
    assert stream.result.warnings_total == 1


def test_describe_tells_the_room_on_both_volumes(daemon: Daemon) -> None:
    with daemon.client() as client:
        info = client.describe()
    assert info.version
    assert info.data_free_bytes > 0
    assert info.scratch_free_bytes > 0


def test_repeated_extraction_reports_the_earlier_result(daemon: Daemon) -> None:
    (daemon.world / "file").write_bytes(b"content")
    operation = any_operation()
    with daemon.client() as client:
        packed, _ = back_up(client)
    with daemon.client(operation) as client:
        client.file_write(path="/tmp/in", size=len(packed), chunks=[packed])
        first = client.archive_extract(
            source="/tmp/in", destination="/data", mode="replace", on_progress=lambda _: None, cancelled=never
        )
        (daemon.world / "file").write_bytes(b"played on")
        client.file_delete(path="/tmp/in")
        again = client.archive_extract(
            source="/tmp/in", destination="/data", mode="replace", on_progress=lambda _: None, cancelled=never
        )
    assert again == first
    assert (daemon.world / "file").read_bytes() == b"played on"
