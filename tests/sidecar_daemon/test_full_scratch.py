"""A full scratch disk is a clean failure: no leftovers, and deleting still works."""

# ruff: noqa: S108 - /tmp is a name on the wire, not this machine's folder

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from sidecar.scratch.scratch import Scratch
from sidecar_client.errors import SidecarFailed
from tests.services.require import program_require, unavailable
from tests.sidecar_daemon.daemon import Daemon, eventually
from tests.sidecar_daemon.worlds import MIB

pytestmark = pytest.mark.processes


@pytest.fixture
def cramped_daemon(idle_daemon: Daemon) -> Iterator[Daemon]:
    """A daemon with 4 MiB of scratch."""
    mount, umount = (program_require(name, package="mount") for name in ("mount", "umount"))
    idle_daemon.scratch.mkdir(mode=0o700)
    command = [mount, "-t", "tmpfs", "-o", "size=4m,mode=700", "none", idle_daemon.scratch]
    if subprocess.run(command, check=False).returncode:
        unavailable("the right to mount a tmpfs")
    try:
        idle_daemon.start()
        yield idle_daemon
        idle_daemon.close()
    finally:
        subprocess.run([umount, "--lazy", idle_daemon.scratch], check=True)


def test_abandoned_files_are_removed_when_room_is_needed(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path)
    for name, age_hours in (("abandoned", 25), ("wanted", 23)):
        (scratch.files / name).touch()
        made = time.time() - age_hours * 3600
        os.utime(scratch.files / name, (made, made))
    with scratch.partial_create():
        assert [path.name for path in scratch.files.iterdir()] == ["wanted"]


def test_an_archive_that_does_not_fit_leaves_nothing(cramped_daemon: Daemon) -> None:
    Path(cramped_daemon.world / "large").write_bytes(os.urandom(8 * MIB))
    with cramped_daemon.client() as client:
        with (
            pytest.raises(SidecarFailed) as failure,
            client.archive_stream(
                source="/data", output="/tmp/out", on_progress=lambda _: None, cancelled=lambda: False
            ) as stream,
        ):
            for _ in stream:
                pass
        assert failure.value.code == "scratch_full"
        assert eventually(lambda: cramped_daemon.left_in_scratch() == [])
        client.file_write(path="/tmp/small", size=1, chunks=[b"1"])
        assert cramped_daemon.left_in_scratch() == ["small"]


def test_upload_to_a_full_disk_leaves_nothing_and_deleting_works(cramped_daemon: Daemon) -> None:
    def chunks() -> Iterator[bytes]:
        yield bytes(MIB)
        (cramped_daemon.scratch / "another's").write_bytes(bytes(MIB + MIB // 2))
        yield bytes(MIB)
        yield bytes(MIB)

    with cramped_daemon.client() as client:
        client.file_write(path="/tmp/first", size=MIB, chunks=[bytes(MIB)])
        with pytest.raises(SidecarFailed) as failure:
            client.file_write(path="/tmp/second", size=3 * MIB, chunks=chunks())
        assert failure.value.code == "scratch_full"
        assert cramped_daemon.left_in_scratch() == ["first"]
    with (cramped_daemon.scratch / "another's").open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    with cramped_daemon.client() as another:
        another.file_delete(path="/tmp/first")
    assert cramped_daemon.left_in_scratch() == []


@pytest.mark.parametrize(
    ("options", "code", "number"),
    [("remount,ro", "source_failed", "EROFS"), ("remount,nr_inodes=1", "scratch_full", "ENOSPC")],
)
def test_scratch_that_takes_no_file_says_why(cramped_daemon: Daemon, options: str, code: str, number: str) -> None:
    if "inodes" in options:
        # Few inodes: the test uses them up first.
        for name in range(64):
            (cramped_daemon.scratch / f"{name}").touch()
        used = os.statvfs(cramped_daemon.scratch)
        options = f"remount,nr_inodes={used.f_files - used.f_ffree}"
    subprocess.run(["mount", "-o", options, cramped_daemon.scratch], check=True)
    with cramped_daemon.client() as client, pytest.raises(SidecarFailed) as failure:
        client.file_write(path="/tmp/upload", size=4, chunks=iter([b"data"]))
    assert (failure.value.code, failure.value.params) == (code, {"path": "/tmp", "errno": number})
