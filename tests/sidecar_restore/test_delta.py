"""Only differences are staged: files that match already stay, whatever a game does to them meanwhile."""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar.errors import ArchiveRefused, Cancelled, Refused, ServerNotStopped
from sidecar.restore.outcome import outcome_read
from sidecar.restore.staging.unchanged import UnchangedFiles
from sidecar.restore.workspace.outcomes import Outcome
from sidecar.restore.workspace.progress import ExtractProgress
from tests.sidecar_restore.archives import compressed, gnu_pack, header, member
from tests.sidecar_restore.conftest import OPERATION, Extract
from tests.sidecar_restore.faults import Stepping
from tests.sidecar_restore.trees import live, settle, snapshot, write
from trees import trust
from trees.trust import WRITTEN_BACK_NS
from wire.enums import Mode, OutcomeKind, Phase

LARGE = bytes(range(1, 256)) * 12_000  # three pieces of the stream


@pytest.fixture
def world(place: Path, root: Path) -> Path:
    """A tree that is both in the archive and live."""
    world = place / "world"
    for top in (world, root):
        write(top / "level.dat", b"level")
        write(top / "region" / "large.mca", LARGE)
        write(top / "region" / "small.mca", b"small", mode=0o600)
        write(top / "empty")
        settle(top)
    return world


@pytest.fixture
def archive(world: Path, place: Path) -> Path:
    return gnu_pack(world, place / "a.tar.gz", "pax")


def told(root: Path) -> dict[str, tuple[int, int, int]]:
    """The values that any change of a file changes, its inode first."""
    files = (path for path in root.rglob("*") if path.is_file() and ".savepoint" not in path.parts)
    statuses = {str(path.relative_to(root)): path.lstat() for path in files}
    return {path: (status.st_ino, status.st_ctime_ns, status.st_nlink) for path, status in statuses.items()}


@pytest.mark.parametrize("mode", Mode)
def test_matching_live_files_are_not_touched(archive: Path, root: Path, extract: Extract, mode: Mode) -> None:
    before, files = live(root), told(root)
    write(root / "extra")
    volume = Stepping()

    summary = extract(archive, mode, filesystem=volume)

    (root / "extra").unlink(missing_ok=True)
    assert live(root) == before
    assert told(root) == files
    assert (summary.files, summary.bytes) == (4, len(LARGE) + 10)
    assert summary.removed == (mode is Mode.REPLACE)
    assert "set_size" not in volume.steps


@pytest.mark.parametrize("at", [0, len(LARGE) // 2, len(LARGE) - 1], ids=["first", "middle", "last"])
def test_changed_byte_is_restored_despite_equal_size_and_times(
    archive: Path, world: Path, root: Path, extract: Extract, at: int
) -> None:
    content = bytearray(LARGE)
    content[at] ^= 1
    write(root / "region" / "large.mca", bytes(content))
    settle(root)
    files = told(root)

    extract(archive)

    assert live(root) == live(world)
    after = told(root)
    assert after.pop("region/large.mca") != files.pop("region/large.mca")
    assert after == files


@pytest.mark.parametrize("content", [LARGE + b"x", LARGE[:-1], b""], ids=["longer", "shorter", "empty"])
def test_another_size_is_restored(archive: Path, world: Path, root: Path, extract: Extract, content: bytes) -> None:
    write(root / "region" / "large.mca", content)

    extract(archive)

    assert live(root) == live(world)


def test_metadata_that_differs_is_set_in_place(archive: Path, world: Path, root: Path, extract: Extract) -> None:
    inodes = {path: ids[0] for path, ids in told(root).items()}
    (root / "level.dat").chmod(0o4755)
    os.utime(root / "region" / "large.mca", ns=(1, 1))
    if os.geteuid() == 0:
        os.chown(root / "region" / "small.mca", 21, 22)
    volume = Stepping()

    extract(archive, filesystem=volume)

    assert live(root) == live(world)
    assert {path: ids[0] for path, ids in told(root).items()} == inodes


def test_hard_links_are_all_staged_or_none(place: Path, root: Path, extract: Extract) -> None:
    """Groups on both sides, files linked only in the archive, and files linked only in the live tree."""
    world = place / "world"
    for top in (world, root):
        write(top / "a", b"group")
        os.link(top / "a", top / "b")
        write(top / "joined", b"one")
        write(top / "apart", b"two")
    os.link(world / "joined", world / "joined too")
    write(root / "joined too", b"one")
    os.link(root / "apart", root / "apart too")
    write(world / "apart too", b"two")
    settle(world)

    for mode in Mode:
        extract(
            gnu_pack(world, place / "a.tar.gz", "pax"), mode, operation=OPERATION[:-1] + str(list(Mode).index(mode))
        )
        assert live(root) == live(world)
    assert (root / "joined").samefile(root / "joined too")
    assert not (root / "apart").samefile(root / "apart too")


def test_sparse_files_are_compared_through_their_holes(place: Path, root: Path, extract: Extract) -> None:
    size = 64 << 20
    for name, last in (("same", b"\0"), ("differs", b"\1")):
        with write(root / name).open("r+b") as file:
            file.truncate(size - 1)
            file.seek(size - 1)
            file.write(last)
    inode = (root / "same").stat().st_ino
    zeros = bytes(size)
    parts = [part for name in (b"same", b"differs") for part in (header(name, size=size), zeros)]

    extract(compressed(place / "a.tar.gz", *parts))

    assert (root / "same").stat().st_ino == inode
    assert (root / "differs").read_bytes() == zeros
    assert (root / "differs").stat().st_blocks == 0


def changed(path: Path) -> None:
    """Change a file in place, with the same size and mtime."""
    status = path.stat()
    with path.open("r+b") as file:
        file.write(b"G")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def replaced(path: Path) -> None:
    write(path.with_name("tmp"), b"played").rename(path)


def renamed(path: Path) -> None:
    path.rename(path.with_name("moved away"))


def swapped_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("moved away"))
    write(path, b"played")


def linked(path: Path) -> None:
    os.link(path, path.with_name("second name"))


GAMES = [changed, replaced, renamed, swapped_folder, linked, Path.unlink]


@pytest.mark.parametrize("game", GAMES, ids=lambda game: game.__name__)
@pytest.mark.parametrize("when", [Phase.STAGING, Phase.STOPPING, "planned"], ids=str)
def test_a_file_that_a_game_touches_after_it_was_compared_comes_back(
    archive: Path, world: Path, root: Path, extract: Extract, game: Callable[[Path], None], when: Phase | str
) -> None:
    """The change comes before the staging skips the file, after that, or after the plan was made."""
    path = root / "region" / "large.mca"
    played: list[int] = []

    def play() -> None:
        if not played:
            played.append(1)
            game(path)

    def watch(progress: ExtractProgress) -> None:
        if progress.phase is when:
            play()

    volume = Stepping(
        after=lambda _step, name: play() if name == "sync_volume" and volume.steps.count(name) == 2 else None
    )
    if when != "planned":
        volume.after = lambda _step, _name: None

    extract(archive, on_progress=watch, filesystem=volume)

    assert played
    assert live(root) == live(world)


@pytest.mark.parametrize("mode", Mode)
def test_folder_missing_during_the_plan_loses_no_file_that_stays(
    archive: Path, world: Path, root: Path, extract: Extract, mode: Mode
) -> None:
    """The plan puts it, but right afterwards it is back in its place, with all its files as they were compared."""
    planned = root / ".savepoint" / OPERATION / "barred"
    away = root.with_name("away")
    played: list[str] = []

    def play(_step: int, name: str) -> None:
        if not played and name == "make_file" and planned.exists() and volume.steps.count("sync_volume") == 1:
            (root / "region").rename(away)
            played.append("away")
        if name == "sync_volume" and away.exists():
            away.rename(root / "region")
            played.append("back")

    volume = Stepping(after=play)

    extract(archive, mode, filesystem=volume)

    assert played == ["away", "back"]
    assert live(root) == live(world)


def test_a_file_that_is_written_while_it_is_compared_is_staged(
    archive: Path, world: Path, root: Path, extract: Extract
) -> None:
    path = root / "region" / "large.mca"
    inode = path.stat().st_ino
    seen: list[Phase] = []

    def play() -> bool:
        if Phase.COMPARING in seen and Phase.STAGING not in seen and path.exists():
            changed(path)
        return False

    extract(archive, on_progress=lambda progress: seen.append(progress.phase), cancelled=play)

    assert live(root) == live(world)
    assert path.stat().st_ino != inode


@pytest.mark.parametrize("mode", Mode)
def test_under_a_game_that_never_rests_everything_is_staged(
    archive: Path, world: Path, root: Path, extract: Extract, mode: Mode
) -> None:
    files = [root / "level.dat", root / "region" / "small.mca", root / "empty"]
    inodes = {path: ids[0] for path, ids in told(root).items()}

    def play(_step: int, name: str) -> None:
        if name == "sync_volume" and volume.steps.count(name) > 1 and files:
            files.pop().chmod(0o777)

    volume = Stepping(after=play)

    extract(archive, mode, filesystem=volume)

    assert live(root) == live(world)
    assert {path: ids[0] for path, ids in told(root).items()}.items().isdisjoint(inodes.items())
    assert volume.steps.count("sync_volume") == 1 + 5 + 1


def test_only_files_at_rest_for_a_minute_are_trusted_to_be_the_same(
    archive: Path, root: Path, extract: Extract, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trust, "WRITTEN_BACK_NS", WRITTEN_BACK_NS)
    oldest = min((root / path).stat().st_ctime_ns for path in told(root))
    files = told(root)

    monkeypatch.setattr(time, "time_ns", lambda: oldest + 60_000_000_000)
    extract(archive)
    staged = told(root)
    assert not {ids[0] for ids in files.values()} & {ids[0] for ids in staged.values()}

    newest = max((root / path).stat().st_ctime_ns for path in staged)
    monkeypatch.setattr(time, "time_ns", lambda: newest + 60_000_000_001)
    extract(archive, operation=OPERATION[:-1] + "0")
    assert told(root) == staged


@pytest.mark.parametrize("name", ["level.dat", "region/large.mca", "region/small.mca"])
@pytest.mark.parametrize("mode", Mode)
def test_mapped_page_rewritten_after_it_was_compared_is_restored(
    archive: Path, world: Path, root: Path, extract: Extract, monkeypatch: pytest.MonkeyPatch, name: str, mode: Mode
) -> None:
    monkeypatch.setattr(trust, "WRITTEN_BACK_NS", WRITTEN_BACK_NS)
    path = root / name
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[0:1] = memory[0:1]
        before = path.stat()
        monkeypatch.setattr(time, "time_ns", lambda: before.st_ctime_ns + 30_000_000_000)

        def play() -> None:
            memory[0:1] = b"!"
            assert path.read_bytes()[:1] == b"!"
            assert (path.stat().st_ctime_ns, path.stat().st_ino) == (before.st_ctime_ns, before.st_ino)
            struck.append(name)

        struck: list[str] = []
        extract(archive, mode, before_exchange=play)

    assert struck == [name]
    assert live(root) == live(world)


def test_the_hook_is_called_once_between_staging_and_the_plan(archive: Path, root: Path, extract: Extract) -> None:
    write(root / "level.dat", b"other")
    seen: list[object] = []
    staged = root / ".savepoint" / OPERATION / "new" / "level.dat"

    def stop() -> None:
        seen.append(("stopped", staged.read_bytes(), (root / "level.dat").read_bytes()))
        assert not (root / ".savepoint" / OPERATION / "moves").exists()

    extract(archive, on_progress=lambda progress: seen.append(progress.phase), before_exchange=stop)

    assert list(dict.fromkeys(seen)) == [
        Phase.COMPARING,
        Phase.STAGING,
        Phase.STOPPING,
        ("stopped", b"level", b"other"),
        Phase.EXCHANGING,
        Phase.DONE,
    ]
    assert seen[seen.index(Phase.STOPPING) + 1] == ("stopped", b"level", b"other")


@pytest.mark.parametrize("error", [ServerNotStopped("it will not"), Refused("no")], ids=lambda error: error.code)
def test_error_of_the_hook_ends_the_restore_with_nothing_touched(
    archive: Path, root: Path, extract: Extract, error: Exception
) -> None:
    write(root / "level.dat", b"other")
    before = snapshot(root)

    def stop() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        extract(archive, before_exchange=stop)

    assert raised.value is error
    assert snapshot(root) == before
    assert outcome_read(root=root, operation=OPERATION) == Outcome(OutcomeKind.NONE)


def test_comparing_can_be_cancelled_and_leaves_no_trace(archive: Path, root: Path, extract: Extract) -> None:
    status = root.stat()
    phases: list[Phase] = []

    with pytest.raises(Cancelled):
        extract(archive, on_progress=lambda progress: phases.append(progress.phase), cancelled=lambda: True)

    assert set(phases) == {Phase.COMPARING}
    assert (root.stat().st_ctime_ns, root.stat().st_mtime_ns) == (status.st_ctime_ns, status.st_mtime_ns)


def test_hostile_archive_leaves_nothing_in_an_empty_root(place: Path, root: Path, extract: Extract) -> None:
    (root / ".savepoint").mkdir(mode=0o700)
    phases: list[Phase] = []

    with pytest.raises(ArchiveRefused):
        extract(
            compressed(place / "a.tar.gz", member(b"a", b"new"), member(b"../b")),
            on_progress=lambda progress: phases.append(progress.phase),
        )

    assert set(phases) == {Phase.STAGING}
    assert list(root.iterdir()) == []


def test_two_spellings_that_a_volume_takes_for_one_name_lose_nothing(
    archive: Path, world: Path, root: Path, extract: Extract, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a case-insensitive volume, the archive's `level.dat` is live as `LEVEL.DAT`, and must not go as an extra."""
    monkeypatch.setattr(UnchangedFiles, "has", lambda _self, path: path != b"level.dat")

    extract(archive)

    assert live(root) == live(world)
