"""A listing as a source of members: kills, faults, and callers that send what nobody asked for."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

import pytest

from demo.comparison import Tree, but_for
from sidecar.errors import ArchiveDamaged, ArchiveRefused, Cancelled, SidecarError, SourceFailed
from sidecar.preview.changes import PathsPage
from sidecar.preview.comparison import restore_preview
from sidecar.restore.outcome import outcome_read, outcome_release
from sidecar.restore.reading.limits import Limits
from sidecar.restore.reading.listed import members as reading
from sidecar.restore.reading.listed.contents import Asked, Contents, Part, PassBegins
from sidecar.restore.recovery import extractions_recover
from tests.sidecar_archive.listings import HEAD, listing_of
from tests.sidecar_restore.conftest import OPERATION
from tests.sidecar_restore.faults import Stepping, dies_at, fails_at, in_child
from tests.sidecar_restore.listed import HOLE, ListedTree
from tests.sidecar_restore.trees import live, settle, write
from wire.enums import Mode, OutcomeKind

HOLES = 8
NOBODY = 65534
STEPS_MAX = 1000


def fill(root: Path) -> None:
    write(root / "changed", b"old")
    write(root / "folder" / "same", b"same")
    write(root / "folder" / "tagged", b"tagged")
    write(root / "gone" / "with" / "folders", b"content")
    write(root / "sparse", b"begin" + bytes(HOLE - 5) + bytes(HOLES * HOLE) + b"end")
    os.link(root / "changed", root / "folder" / "second name")
    (root / "link").symlink_to("/nowhere")
    os.utime(root / "link", ns=(1, 1), follow_symlinks=False)
    for path in ("folder", "folder/same", "folder/tagged", "gone"):
        os.setxattr(root / path, "user.kept", path.encode())
    settle(root)


def spoil(root: Path) -> None:
    write(root / "changed", b"new")
    os.setxattr(root / "folder" / "tagged", "user.kept", b"another")
    os.setxattr(root / "folder", "user.kept", b"another")
    os.setxattr(root / "folder", "user.extra", b"new")
    shutil.rmtree(root / "gone")
    write(root / "sparse", b"no longer")
    (root / "link").unlink()
    (root / "link").mkdir()
    write(root / "link" / "extra", b"new")
    settle(root)


@pytest.fixture
def tree(root: Path) -> ListedTree:
    """The tree of `fill`, and the root spoilt."""
    fill(root)
    tree = ListedTree(root)
    spoil(root)
    return tree


@pytest.fixture
def wanted(place: Path) -> Tree:
    (place / "wanted").mkdir()
    fill(place / "wanted")
    return live(place / "wanted")


def is_untouched(root: Path, before: Tree) -> bool:
    return live(root) == before and not (root / ".savepoint").exists()


def test_all_comes_back_and_only_what_differs_is_asked_for(root: Path, tree: ListedTree, wanted: Tree) -> None:
    inode = (root / "folder" / "same").stat().st_ino

    summary = tree.restore(root)

    assert live(root) == wanted
    assert tree.asked == [b"changed", b"folder/tagged", b"gone/with/folders", b"sparse"]
    assert (root / "folder" / "same").stat().st_ino == inode
    assert (root / "sparse").stat().st_blocks * 512 < 3 * HOLE
    assert (summary.files, summary.removed) == (7, 1)


def test_preserved_root_is_not_written_again(root: Path, tree: ListedTree) -> None:
    tree.restore(root)
    outcome_release(root=root, operation=OPERATION)
    tree.asked.clear()

    tree.restore(root, operation="7f0d2a3c-6d3b-4c56-9f5e-0a1b2c3d4e5f")

    assert tree.asked == [b"changed"], "only a file with several names comes again"


@pytest.mark.parametrize("strike", [dies_at, fails_at])
def test_struck_at_any_step_it_is_wholly_old_or_wholly_new(
    root: Path, tree: ListedTree, wanted: Tree, strike: Callable[..., Callable[[int, str], None]]
) -> None:
    old = live(root)
    ends = []
    step, status = 0, 1
    while status:
        step += 1
        shutil.rmtree(root)
        root.mkdir()
        fill(root)
        spoil(root)
        assert live(root) == old
        volume = Stepping(before=strike(step, must_strike=False))
        status = in_child(lambda: tree.restore(root, filesystem=volume))  # noqa: B023 - over by then
        extractions_recover(root=root)
        ends.append(outcome_read(root=root, operation=OPERATION).kind)
        assert live(root) == (wanted if ends[-1] is OutcomeKind.COMPLETED else old)
        assert status in (0, -signal.SIGKILL if strike is dies_at else 1)
        assert step < STEPS_MAX

    assert ends[-1] is OutcomeKind.COMPLETED
    changes = [(kind, len(list(steps))) for kind, steps in groupby(ends)]
    assert OutcomeKind.NONE in dict(changes)
    assert step > 60, "it was struck while staging, and while exchanging"


@pytest.mark.parametrize("count", range(12))
def test_stream_that_breaks_leaves_all_as_it_was(root: Path, tree: ListedTree, count: int) -> None:
    before = live(root)

    def broken(asked: Asked) -> Iterator[Part]:
        for number, part in enumerate(tree.parts(asked)):
            if number == count:
                raise SourceFailed("the stream broke")
            yield part

    with pytest.raises(SourceFailed):
        tree.restore(root, parts=broken)

    assert is_untouched(root, before)


def flipped(parts: Iterator[Part]) -> Iterator[Part]:
    for part in parts:
        yield memoryview(bytes(part[:-1]) + b"?") if isinstance(part, memoryview) else part


def longer(parts: Iterator[Part]) -> Iterator[Part]:
    yield memoryview(b"?")
    yield from parts


def with_longer_hole(parts: Iterator[Part]) -> Iterator[Part]:
    for part in parts:
        yield part if isinstance(part, memoryview | PassBegins) else part + 1


def shorter_hole(parts: Iterator[Part]) -> Iterator[Part]:
    yield from (part for part in parts if isinstance(part, memoryview))
    yield HOLES * HOLE


def endless(parts: Iterator[Part]) -> Iterator[Part]:
    yield from parts
    yield 1 << 63


def of_another_pass(parts: Iterator[Part]) -> Iterator[Part]:
    yield PassBegins(2)
    yield from parts


@pytest.mark.parametrize("lie", [flipped, longer, with_longer_hole, shorter_hole, endless, of_another_pass])
def test_contents_that_are_not_those_asked_for_are_caught(
    root: Path, tree: ListedTree, lie: Callable[[Iterator[Part]], Iterator[Part]]
) -> None:
    before = live(root)

    with pytest.raises(ArchiveDamaged):
        tree.restore(root, parts=lambda asked: lie(tree.parts(asked)))

    assert is_untouched(root, before)


def test_contents_that_nobody_asked_for_are_caught() -> None:
    contents = Contents()
    contents.receive([memoryview(b"unasked")])

    with pytest.raises(ArchiveDamaged):
        contents.take(7, check=lambda: None)


def test_more_than_was_asked_for_is_caught() -> None:
    contents = Contents()
    contents.begin()
    contents.ask([0], 3)
    contents.receive([PassBegins(1), memoryview(b"one"), memoryview(b"more")])

    assert contents.take(3, check=lambda: None) == b"one"
    with pytest.raises(ArchiveDamaged):
        contents.take(1, check=lambda: None)
    with pytest.raises(ArchiveDamaged):
        contents.finish(check=lambda: None)


def test_contents_of_a_pass_that_was_left_are_dropped() -> None:
    contents = Contents()
    contents.begin()
    contents.ask([0, 1], 8)
    contents.begin()
    contents.ask([1], 3)
    assert contents.asked() == [Asked(2, [1])]

    contents.receive([PassBegins(1), memoryview(b"old"), PassBegins(2), memoryview(b"new")])

    assert contents.take(2, check=lambda: None) == b"ne"
    assert contents.take(2, check=lambda: None) == b"w"
    with pytest.raises(SourceFailed):
        contents.take(1, check=lambda: None)


def test_cancel_is_the_cause_of_an_end_of_contents() -> None:
    contents = Contents()
    contents.receive([])
    contents.refuse()
    asked: list[bool] = []

    def cancelled_meanwhile() -> None:
        asked.append(True)
        if len(asked) > 1:
            raise Cancelled("meanwhile")

    with pytest.raises(Cancelled):
        contents.take(1, check=cancelled_meanwhile)


def test_cancel_ends_the_wait_for_contents(root: Path, tree: ListedTree) -> None:
    before = live(root)
    asked_for: list[Asked] = []

    def silent(asked: Asked) -> Iterator[Part]:
        asked_for.append(asked)
        return iter(())

    with pytest.raises(Cancelled):
        tree.restore(root, parts=silent, cancelled=lambda: bool(asked_for))

    assert is_untouched(root, before)


def test_file_that_the_game_touches_meanwhile_is_asked_for_in_another_pass(
    root: Path, tree: ListedTree, wanted: Tree
) -> None:
    passes: list[int] = []

    def parts(asked: Asked) -> Iterator[Part]:
        passes.append(asked.number)
        return tree.parts(asked)

    tree.restore(root, parts=parts, before_exchange=lambda: write(root / "folder" / "same", b"game") and None)

    assert live(root) == wanted
    assert passes == [1, 2]
    assert tree.asked[-1] == b"folder/same"


def test_contents_are_asked_for_in_bounded_batches(root: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_AHEAD_MOST", 8)
    monkeypatch.setattr(reading, "_AHEAD_LEAST", 4)
    (place / "wanted").mkdir()
    for number in range(100):
        write(place / "wanted" / f"{number:03}", b"%d" % number)
    tree = ListedTree(place / "wanted")
    batches: list[int] = []

    def parts(asked: Asked) -> Iterator[Part]:
        batches.append(len(asked.files))
        return tree.parts(asked)

    tree.restore(root, parts=parts)

    assert live(root) == live(place / "wanted")
    assert sum(batches) == 100
    assert max(batches) <= 8


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda entry: entry._replace(path=b"../up"), ArchiveRefused),
        (lambda entry: entry._replace(path=b".savepoint/x"), ArchiveRefused),
        (lambda entry: entry._replace(hash=b""), ArchiveDamaged),
        (lambda entry: entry._replace(header=1 << 17), ArchiveDamaged),
        (lambda entry: entry._replace(data=entry.size + 1), ArchiveDamaged),
        (lambda entry: entry._replace(uid=(1 << 32) - 1), ArchiveRefused),
        (lambda entry: entry._replace(xattrs={b"security.x": b""}), ArchiveDamaged),
        (lambda entry: entry._replace(hash=bytes(32)), ArchiveDamaged),
        (lambda entry: entry._replace(size=entry.size + 1), ArchiveDamaged),
    ],
)
def test_listing_that_lies_is_caught(
    root: Path, tree: ListedTree, change: Callable[[object], object], error: type[SidecarError]
) -> None:
    before = live(root)
    tree.entries = [change(entry) if entry.path == b"changed" else entry for entry in tree.entries]  # type: ignore[misc]  # entries of either kind

    def then_ends(asked: Asked) -> Iterator[Part]:
        yield from tree.parts(asked)
        raise SourceFailed("no more")

    with pytest.raises(error):
        tree.restore(root, parts=then_ends)

    assert is_untouched(root, before)


def test_piece_of_a_pass_that_was_left_is_dropped_even_if_it_has_come() -> None:
    contents = Contents()
    come, go = threading.Event(), threading.Event()

    def parts() -> Iterator[Part]:
        yield PassBegins(1)
        yield memoryview(b"old")
        come.set()
        go.wait()
        yield PassBegins(2)
        yield memoryview(b"new")

    contents.begin()
    contents.ask([0], 3)
    contents.receive(parts())
    assert come.wait(60)
    contents.begin()
    contents.ask([0], 3)
    go.set()

    assert contents.take(3, check=lambda: None) == b"new"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_ordinary_user_restores_attributes_of_read_only_folders(root: Path, place: Path) -> None:
    write(root / "closed" / "file", b"same")
    write(root / "closed" / "other", b"old")
    os.setxattr(root / "closed", "user.kept", b"old")
    (root / "closed").chmod(0o555)
    settle(root)
    tree = ListedTree(root)
    before = live(root)
    write(root / "closed" / "other", b"new")
    os.setxattr(root / "closed", "user.kept", b"new")
    for path in (root, *root.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    place.chmod(0o755)

    def restore() -> None:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        tree.restore(root)

    assert in_child(restore) == 0
    assert but_for(live(root), "owner") == but_for(before, "owner")


def test_preview_tells_of_attributes_that_differ(root: Path, tree: ListedTree) -> None:
    def told() -> set[bytes]:
        page = PathsPage(after=b"", limit=1000)
        preview = restore_preview(root=root, listing=tree.listing(), mode=Mode.REPLACE, page=page, check=lambda: None)
        return {change.path for change in preview.changes}

    assert told() >= {b"folder", b"folder/tagged"}
    assert b"folder/same" not in told()
    tree.restore(root)
    assert told() == set()


@pytest.mark.parametrize(("data", "is_refused"), [(0, False), (6, False), (7, True)])
def test_holes_of_listed_files_count_nothing(data: int, *, is_refused: bool) -> None:
    """Five files of a TiB each, with so many bytes of data."""
    lines = [b"f 420 0 0 0 %d %b 0 %d - %d %%" % (1 << 40, b"0" * 64, data, number) for number in range(5)]
    listing = listing_of(*lines, head=HEAD.replace(b" 1 ", b" 2 "))
    members = reading.ListedMembers(lambda: [listing], Contents(), Limits(total_bytes=30), check=lambda: None)
    with members.read() as reader:
        if is_refused:
            with pytest.raises(ArchiveRefused, match="more than 30 bytes: 4"):
                list(reader.members())
        else:
            assert sum(found.size for found in reader.members()) == 5 << 40
