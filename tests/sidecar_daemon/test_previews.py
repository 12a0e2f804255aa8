"""The listing of an archive, and the preview of its restore, over the wire."""

# ruff: noqa: S108 - /tmp is a name on the wire, not this machine's folder

from __future__ import annotations

import gzip
import json
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path

import grpc
import pytest

from sidecar.preview.calls import PREVIEWS_AT_ONCE
from sidecar_client.client import RestorePreview, SidecarClient, Timeouts
from sidecar_client.errors import Cancelled, Refused, SidecarFailed, SidecarUnavailable, SourceFailed
from sidecar_client.values import Change
from tests.sidecar_archive.listings import HEAD, file_line, listing_of, traces
from tests.sidecar_daemon.daemon import Daemon, any_operation, eventually
from tests.sidecar_daemon.scripted_sidecar import ScriptedSidecar, serving
from tests.sidecar_daemon.worlds import endless_world, small_world
from wire.enums import ChangeKind
from wire.listing import Listing
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire

pytestmark = pytest.mark.processes

ARCHIVE = "/tmp/backup.tar.gz"
LISTING = "/tmp/backup.listing"
NO_CHANGE = RestorePreview(added=0, changed=0, removed=0, bytes=0, changes=(), more=False)


def never() -> bool:
    return False


def back_up(daemon: Daemon, *, listing: str = LISTING) -> tuple[bytes, bytes]:
    """Make a backup, and return the archive and its listing, which stay in scratch."""
    with daemon.client() as client:
        with client.archive_stream(
            source="/data", output=ARCHIVE, listing=listing, on_progress=lambda _: None, cancelled=never
        ) as stream:
            packed = b"".join(stream)
        return packed, b"".join(client.file_read(path=listing, cancelled=never))


def preview(
    client: SidecarClient, listing: bytes | Iterable[bytes], *, mode: str = "replace", **changes: object
) -> RestorePreview:
    asked = {"paths_limit": 1000, "paths_after": b"", "cancelled": never} | changes
    parts = [listing] if isinstance(listing, bytes) else listing
    return client.restore_preview(listing=parts, mode=mode, **asked)


def asked(daemon: Daemon, listing: bytes | Iterable[bytes], **changes: object) -> RestorePreview:
    with daemon.client() as client:
        return preview(client, listing, **changes)


def test_a_listing_appears_with_its_archive_and_tells_of_all_of_it(daemon: Daemon) -> None:
    small_world(daemon.world)
    _, listing = back_up(daemon)
    paths = [entry.path for entry in Listing([listing]).entries()]
    assert b"region/r.0.0.mca" in paths
    assert len(paths) == len(list(daemon.world.rglob("*")))
    assert daemon.left_in_scratch() == ["backup.listing", "backup.tar.gz"]


def test_without_being_asked_for_no_listing_is_left(daemon: Daemon) -> None:
    with (
        daemon.client() as client,
        client.archive_stream(source="/data", output=ARCHIVE, on_progress=lambda _: None, cancelled=never) as stream,
    ):
        assert b"".join(stream)
    assert daemon.left_in_scratch() == ["backup.tar.gz"]


def test_a_listing_goes_with_an_archive_that_is_not_finished(daemon: Daemon) -> None:
    endless_world(daemon.world)
    with (
        daemon.client() as client,
        client.archive_stream(
            source="/data", output=ARCHIVE, listing=LISTING, on_progress=lambda _: None, cancelled=never
        ) as stream,
    ):
        assert next(iter(stream))
    assert eventually(lambda: daemon.left_in_scratch() == [])


@pytest.mark.parametrize("listing", [ARCHIVE, "/data/listing", "/tmp/folder/listing", "/tmp/../listing", "listing"])
def test_a_listing_is_a_scratch_file_of_its_own(daemon: Daemon, listing: str) -> None:
    with pytest.raises(Refused):
        back_up(daemon, listing=listing)
    assert daemon.left_in_scratch() == []


def test_a_preview_tells_every_change_and_writes_nothing(daemon: Daemon) -> None:
    small_world(daemon.world)
    packed, listing = back_up(daemon)
    assert asked(daemon, listing) == NO_CHANGE
    shutil.rmtree(daemon.world / "region")
    (daemon.world / "level.dat").write_bytes(b"ruined")
    (daemon.world / "new").write_bytes(b"123")
    before = traces(daemon.world), traces(daemon.scratch)
    found = asked(daemon, (listing[start : start + 7] for start in range(0, len(listing), 7)))
    size = 3 * (1 << 20) + 17
    assert found == RestorePreview(
        added=2,
        changed=1,
        removed=1,
        bytes=5000 + size,
        changes=(
            Change(ChangeKind.CHANGED, b"level.dat", 5000),
            Change(ChangeKind.REMOVED, b"new", 3),
            Change(ChangeKind.ADDED, b"region", 0),
            Change(ChangeKind.ADDED, b"region/r.0.0.mca", size),
        ),
        more=False,
    )
    overlay = asked(daemon, listing, mode="overlay")
    assert (overlay.added, overlay.changed, overlay.removed, overlay.bytes) == (2, 1, 0, 5000 + size)
    assert (traces(daemon.world), traces(daemon.scratch)) == before

    with daemon.client() as client:
        client.file_write(path="/tmp/in", size=len(packed), chunks=[packed])
        result = client.archive_extract(
            source="/tmp/in", destination="/data", mode="replace", on_progress=lambda _: None, cancelled=never
        )
        client.extract_release()
    assert result.removed == found.removed
    assert asked(daemon, listing) == NO_CHANGE


def test_changes_come_in_pages(daemon: Daemon) -> None:
    listing = listing_of(*(file_line(b"%06d" % number) for number in range(2500)))
    sizes, after, paths = [], b"", []
    for _ in range(3):
        page = asked(daemon, listing, paths_limit=5000, paths_after=after)
        sizes.append(len(page.changes))
        paths += [change.path for change in page.changes]
        after = paths[-1]
        assert page.added == 2500
        assert page.more is (len(paths) < 2500)
    assert sizes == [1000, 1000, 500]
    assert paths == [b"%06d" % number for number in range(2500)]
    assert asked(daemon, listing, paths_limit=0).changes == ()


@pytest.mark.parametrize(
    ("listing", "code"),
    [
        (b"", "archive_damaged"),
        (b"no listing", "archive_damaged"),
        (listing_of(file_line(b"file"))[:-1], "archive_damaged"),
        (listing_of(file_line(b"file"), end=b""), "archive_damaged"),
        (listing_of(file_line(b"../file")), "archive_refused"),
        (gzip.compress(HEAD + b"a" * (5 << 20)), "archive_refused"),
    ],
)
def test_a_listing_that_is_damaged_or_hostile_is_refused_with_its_code(
    daemon: Daemon, listing: bytes, code: str
) -> None:
    with pytest.raises(SidecarFailed) as failure:
        asked(daemon, listing)
    assert failure.value.code == code


def test_the_rest_of_a_refused_listing_is_not_sent(daemon: Daemon) -> None:
    # The daemon answers at the first part; otherwise the endless listing would be sent forever.
    with pytest.raises(SidecarFailed, match="archive_damaged"):
        asked(daemon, repeat(b"no listing" * 100_000))


def test_error_while_reading_the_listing_ends_the_preview(daemon: Daemon) -> None:
    def parts() -> Iterator[bytes]:
        yield listing_of()[:5]
        raise KeyError("storage")

    with pytest.raises(KeyError, match="storage"):
        asked(daemon, parts())


def test_missing_data_root_is_reported(daemon: Daemon) -> None:
    daemon.world.rmdir()
    with pytest.raises(SourceFailed):
        asked(daemon, listing_of())


def header(**fields: object) -> wire.PreviewRestoreRequest:
    told = {"ticket": wire.Ticket(operation=any_operation()), "mode": wire.EXTRACT_MODE_REPLACE} | fields
    return wire.PreviewRestoreRequest(header=wire.PreviewRestoreRequest.Header(**told))


CONTENT = wire.PreviewRestoreRequest(listing=listing_of())


@pytest.mark.parametrize(
    "requests",
    [
        [],
        [CONTENT],
        [header(), header()],
        [header(mode=wire.EXTRACT_MODE_UNSPECIFIED), CONTENT],
        [header(mode=9), CONTENT],
        [header(ticket=None), CONTENT],
        [header(ticket=wire.Ticket(operation="../x")), CONTENT],
        [header(ticket=wire.Ticket(operation="operation", fence=1)), CONTENT],
    ],
)
def test_a_preview_is_asked_for_with_one_good_header(
    daemon: Daemon, requests: list[wire.PreviewRestoreRequest]
) -> None:
    messages = iter([request.SerializeToString() for request in requests])
    with daemon.calls() as calls, pytest.raises(grpc.RpcError) as refusal:
        calls.preview_restore(messages, metadata=daemon.metadata, timeout=10)
    assert ("savepoint-code", "sidecar_refused") in refusal.value.trailing_metadata()


def test_a_preview_needs_the_token(daemon: Daemon) -> None:
    with daemon.client(token="w" * 32) as client, pytest.raises(Refused):
        preview(client, listing_of())


def test_previews_are_not_remembered_and_let_no_older_attempt_in(daemon: Daemon) -> None:
    operation = any_operation()
    with daemon.client(operation, fence=3) as client:
        client.describe()
    remembered = json.loads((daemon.scratch / "fences.json").read_bytes())
    for name in (operation, any_operation()):
        with daemon.client(name, fence=7) as client:
            assert preview(client, listing_of()) == NO_CHANGE
    assert json.loads((daemon.scratch / "fences.json").read_bytes()) == remembered == {operation: 3}
    with daemon.client(operation, fence=3) as client:
        assert client.describe().version
    with daemon.client(operation, fence=2) as client, pytest.raises(Refused):
        client.describe()
    # A call without an operation has the fence 0, and is remembered as little.
    with daemon.client(operation, fence=0) as client:
        assert client.describe().version
    assert json.loads((daemon.scratch / "fences.json").read_bytes()) == remembered


class Waiting:
    """Listings that block after their first part, until they are released."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def listing(self) -> Iterator[bytes]:
        whole = listing_of()
        yield whole[:20]
        while not self.released.wait(0.02):
            # So that the end of a refused call is noticed.
            yield b""
        yield whole[20:]


@pytest.fixture
def waiting(daemon: Daemon) -> Iterator[Waiting]:
    waiting = Waiting()
    yield waiting
    waiting.released.set()


BUSY = "Other previews"


def refused(daemon: Daemon) -> bool:
    try:
        asked(daemon, listing_of())
    except SidecarUnavailable as refusal:
        return BUSY in refusal.detail
    return False


def insisted(daemon: Daemon, listing: Callable[[], Iterable[bytes]]) -> RestorePreview:
    """Ask until the call is admitted: a concurrent probe may have had the free slot."""
    while True:
        try:
            return asked(daemon, listing())
        except SidecarUnavailable as busy:
            if BUSY not in busy.detail:
                raise


def test_only_a_few_previews_are_made_at_a_time(daemon: Daemon, waiting: Waiting) -> None:
    with ThreadPoolExecutor(PREVIEWS_AT_ONCE) as pool:
        running = [pool.submit(insisted, daemon, waiting.listing) for _ in range(PREVIEWS_AT_ONCE)]
        try:
            assert eventually(lambda: refused(daemon))
            with daemon.client() as client:
                assert client.describe().version
        finally:
            waiting.released.set()
        assert [future.result() for future in running] == [NO_CHANGE] * PREVIEWS_AT_ONCE
    assert asked(daemon, listing_of()) == NO_CHANGE


def endless_file(daemon: Daemon) -> bytes:
    """The listing of a file that takes longer to read than any test."""
    with (daemon.world / "large").open("wb") as file:
        file.truncate(1 << 43)
    status = (daemon.world / "large").stat()
    line = b"f %d %d %d 0 %d 0 large %%" % (status.st_mode & 0o777, status.st_uid, status.st_gid, status.st_size)
    return listing_of(line)


def cancelled_soon(daemon: Daemon, listing: bytes) -> None:
    with pytest.raises(Cancelled):
        asked(daemon, listing, cancelled=lambda: True)


def out_of_time(daemon: Daemon, listing: bytes) -> None:
    with daemon.client(timeouts=Timeouts(preview=1.0)) as client, pytest.raises(SidecarUnavailable):
        preview(client, listing)


@pytest.mark.parametrize("given_up", [cancelled_soon, out_of_time])
def test_preview_without_a_caller_ends(daemon: Daemon, given_up: Callable[[Daemon, bytes], None]) -> None:
    listing = endless_file(daemon)
    for _ in range(PREVIEWS_AT_ONCE):
        given_up(daemon, listing)
    (daemon.world / "large").unlink()
    assert eventually(lambda: not refused(daemon))
    assert eventually(lambda: sum("PreviewRestore" in line and "cancelled" in line for line in daemon.log) == 2)


def test_a_daemon_that_is_told_to_end_ends_its_previews(idle_daemon: Daemon) -> None:
    daemon = idle_daemon
    daemon.drain_seconds = 0.0
    daemon.start()
    listing = endless_file(daemon)
    with ThreadPoolExecutor(PREVIEWS_AT_ONCE) as pool:
        running = [pool.submit(insisted, daemon, lambda: [listing]) for _ in range(PREVIEWS_AT_ONCE)]
        try:
            assert eventually(lambda: refused(daemon))
        finally:
            assert daemon.stop() == 0
        for future in running:
            assert isinstance(future.exception(), SidecarUnavailable)


class LyingSidecar(ScriptedSidecar):
    def __init__(self, reply: wire.PreviewRestoreReply) -> None:
        super().__init__()
        self.reply = reply

    def PreviewRestore(  # noqa: N802
        self, requests: Iterator[wire.PreviewRestoreRequest], context: grpc.ServicerContext
    ) -> wire.PreviewRestoreReply:
        self._step("PreviewRestore", context)
        for _ in requests:
            pass
        return self.reply


def test_excess_changes_and_unknown_kinds_are_refused() -> None:
    change = wire.PreviewRestoreReply.Change(kind=wire.PreviewRestoreReply.Change.KIND_ADDED, path=b"x")
    with serving(LyingSidecar(wire.PreviewRestoreReply(changes=[change] * 9))) as client:
        assert len(preview(client, listing_of(), paths_limit=3).changes) == 3
    with (
        serving(LyingSidecar(wire.PreviewRestoreReply(changes=[wire.PreviewRestoreReply.Change(kind=7)]))) as client,
        pytest.raises(SidecarFailed, match="internal"),
    ):
        preview(client, listing_of())


def test_the_size_of_a_listing_does_not_show_in_the_daemons_memory(daemon: Daemon, tmp_path: Path) -> None:
    assert asked(daemon, listing_of()) == NO_CHANGE
    before = daemon.peak_memory_mib()
    lines = (file_line(b"%0200d" % number) for number in range(100_000))
    found = asked(daemon, listing_of(*lines), paths_limit=0)
    assert found.added == 100_000
    assert daemon.peak_memory_mib() - before < 16
