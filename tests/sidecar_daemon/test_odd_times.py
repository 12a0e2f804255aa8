"""Times of the whole range that a file system holds, over the wire."""

# ruff: noqa: S108 - /tmp is a name on the wire, not this machine's folder

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.repository.restoring.test_whole import ODD_SECONDS
from tests.sidecar_daemon.daemon import Daemon
from tests.sidecar_daemon.test_previews import NO_CHANGE, asked, back_up, never
from wire.listing import Listing

pytestmark = pytest.mark.processes


@pytest.mark.parametrize("seconds", ODD_SECONDS)
def test_a_time_that_a_file_system_holds_is_previewed_and_restored(in_memory: Path, seconds: int) -> None:
    with TemporaryDirectory(dir=in_memory) as folder:
        daemon = Daemon(Path(folder))
        daemon.world.mkdir()
        names = ("odd", "odd folder", "odd link")
        (daemon.world / "odd").write_bytes(b"odd")
        (daemon.world / "odd folder").mkdir()
        (daemon.world / "odd link").symlink_to("odd")
        (daemon.world / "plain").write_bytes(b"plain")
        if os.geteuid() == 0:
            os.chown(daemon.world / "odd", 2**32 - 2, 2**32 - 2)
        for name in names:
            os.utime(daemon.world / name, ns=(0, seconds * 10**9 + 7), follow_symlinks=False)
        before = {name: (daemon.world / name).lstat() for name in names}
        daemon.start()
        try:
            packed, listing = back_up(daemon)
            assert {entry.path.decode(): entry.mtime_ns for entry in Listing([listing]).entries()} == {
                **{name: status.st_mtime_ns for name, status in before.items()},
                "plain": (daemon.world / "plain").stat().st_mtime_ns,
            }
            assert asked(daemon, listing) == NO_CHANGE
            (daemon.world / "plain").write_bytes(b"other")
            assert [change.path for change in asked(daemon, listing).changes] == [b"plain"]
            for name in ("odd", "odd link"):
                (daemon.world / name).unlink()
            (daemon.world / "odd folder").rmdir()
            with daemon.client() as client:
                client.file_write(path="/tmp/in", size=len(packed), chunks=[packed])
                client.archive_extract(
                    source="/tmp/in", destination="/data", mode="replace", on_progress=lambda _: None, cancelled=never
                )
        finally:
            daemon.close()
        assert (daemon.world / "plain").read_bytes() == b"plain"
        for name, status in before.items():
            after = (daemon.world / name).lstat()
            assert (after.st_mtime_ns, after.st_uid) == (status.st_mtime_ns, status.st_uid)
