"""The changes that a restore would make, computed from a listing and the live data."""

from __future__ import annotations

import mmap
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sidecar.errors import ArchiveDamaged, ArchiveRefused, Cancelled, SourceFailed
from sidecar.preview.changes import PATHS_MAX, Change, PathsPage, Preview
from sidecar.preview.comparison import restore_preview
from tests.descriptors import descriptors
from tests.sidecar_archive.listings import (
    HEAD,
    LONG_AGO_NS,
    as_nobody,
    file_line,
    listing_of,
    packed,
    preview,
    told,
    traces,
)
from tests.sidecar_archive.trees import chain_make, file_make, noise
from wire.enums import ChangeKind, Mode
from wire.listing import FILE, Entry, ListingWriter

ADDED, CHANGED, REMOVED, STAYS = ChangeKind.ADDED, ChangeKind.CHANGED, ChangeKind.REMOVED, ChangeKind.STAYS
# The kernel's high-water mark of this program alone.
PREVIEW_AND_TELL_PEAK = """
import sys
from pathlib import Path
from tests.sidecar_archive.listings import listing_of, preview

def peak():
    return next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:"))

world, listing = map(Path, sys.argv[1:])
preview(world / "0000", listing_of())
before = peak()
with listing.open("rb") as file:
    found = preview(world, iter(lambda: file.read(1 << 16), b""))
print(found.added, found.removed, len(found.changes), before, peak())
"""
BOTH_MODES = pytest.mark.parametrize("mode", list(Mode))


def counts(found: Preview) -> tuple[int, int, int, int]:
    return found.added, found.changed, found.removed, found.bytes


def game(root: Path) -> None:
    for folder in ("region", "region-old", "empty"):
        (root / folder).mkdir()
    (root / "region" / "r.0.0.mca").write_bytes(noise(3 << 20))
    (root / "region" / "r.0.1.mca").write_bytes(b"region")
    (root / "region-old" / "r").write_bytes(b"old")
    (root / "level.dat").write_bytes(b"level")
    (root / "level.dat_second").hardlink_to(root / "level.dat")
    (root / "run.sh").write_bytes(b"#!")
    (root / "latest").symlink_to("level.dat")


@BOTH_MODES
def test_entry_equal_to_the_archive_is_no_change(world: Path, mode: Mode) -> None:
    game(world)
    listing = packed(world).listing
    os.utime(world / "run.sh", ns=(1, 1))
    os.utime(world / "region", ns=(1, 1))
    (world / ".savepoint").mkdir()
    (world / ".savepoint" / "journal").touch()
    assert preview(world, listing, mode) == Preview(0, 0, 0, 0, (), more=False)


@BOTH_MODES
def test_every_kind_of_change_is_told_in_the_order_of_the_walk(world: Path, mode: Mode) -> None:
    game(world)
    listing = packed(world).listing
    (world / "region" / "r.0.0.mca").unlink()
    (world / "region" / "r.0.1.mca").write_bytes(b"REGION")
    (world / "run.sh").chmod(0o700)
    (world / "latest").unlink()
    (world / "latest").symlink_to("elsewhere")
    (world / "empty").chmod(0o700)
    (world / "level.dat_second").unlink()
    (world / "new").mkdir()
    (world / "new" / "file").write_bytes(b"1234")
    os.mkfifo(world / "new" / "pipe")
    found = preview(world, listing, mode)
    extra = [(STAYS, b"new", 0), (REMOVED, b"new/file", 4), (STAYS, b"new/pipe", 0)]
    assert told(found) == [
        (CHANGED, b"empty", 0),
        (CHANGED, b"latest", 0),
        (ADDED, b"level.dat_second", 0),
        *(extra if mode is Mode.REPLACE else []),
        (ADDED, b"region/r.0.0.mca", 3 << 20),
        (CHANGED, b"region/r.0.1.mca", 6),
        (CHANGED, b"run.sh", 2),
    ]
    assert counts(found) == (2, 4, 1 if mode is Mode.REPLACE else 0, (3 << 20) + 8)
    assert found.stays == (2 if mode is Mode.REPLACE else 0)
    assert not found.more


def test_new_content_is_found_when_size_and_time_are_the_old_ones(world: Path) -> None:
    game(world)
    listing = packed(world).listing
    before = (world / "level.dat").stat()
    with (world / "level.dat").open("r+b") as file:
        file.write(b"LEVEL")
    os.utime(world / "level.dat", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert told(preview(world, listing)) == [(CHANGED, b"level.dat", 5), (CHANGED, b"level.dat_second", 0)]


def aged(content: bytes) -> bytes:
    """A line for a file with a modification time long ago."""
    return file_line(b"file", content=content)


def test_a_file_untouched_since_long_before_the_scan_is_not_read(world: Path) -> None:
    file = world / "file"
    file.write_bytes(b"content")
    file.chmod(0o644)
    os.utime(file, ns=(1, LONG_AGO_NS))
    scanned_ns = file.stat().st_ctime_ns + 61_000_000_000
    head = b"savepoint-listing 1 %d\n"
    # The listing lies about the content, which reveals whether the file was read.
    assert preview(world, listing_of(aged(b"CONTENT"), head=head % scanned_ns)).changed == 0
    assert preview(world, listing_of(aged(b"CONTENT"), head=head % (scanned_ns - 2_000_000_000))).changed == 1
    assert preview(world, listing_of(aged(b"content"), head=head % (scanned_ns - 2_000_000_000))).changed == 0
    os.utime(file, ns=(1, 1))
    assert preview(world, listing_of(aged(b"CONTENT"), head=head % (2 * scanned_ns))).changed == 1


@pytest.mark.parametrize("seconds", [3, 35, 60])
def test_mapped_page_rewritten_after_the_scan_is_a_change(world: Path, seconds: int) -> None:
    file = world / "file"
    for _ in range(20):
        file.write_bytes(b"content")
        file.chmod(0o644)
        with file.open("r+b") as opened, mmap.mmap(opened.fileno(), 0) as memory:
            memory[0:1] = b"c"
            os.utime(file, ns=(1, LONG_AGO_NS))
            before = file.stat()
            memory[0:1] = b"C"
            after = file.stat()
        if before == after:
            break  # now and then the kernel writes the page back in between
    assert (before, file.read_bytes()) == (after, b"Content")
    head = b"savepoint-listing 1 %d\n" % (before.st_ctime_ns + seconds * 1_000_000_000)
    assert preview(world, listing_of(aged(b"content"), head=head)).changed == 1


def test_no_stat_is_trusted_of_a_machine_that_started_since(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = world / "file"
    file.write_bytes(b"content")
    file.chmod(0o644)
    os.utime(file, ns=(1, LONG_AGO_NS))
    scanned_ns = file.stat().st_ctime_ns + 61_000_000_000
    listing = listing_of(aged(b"CONTENT"), head=b"savepoint-listing 1 %d\n" % scanned_ns)
    assert preview(world, listing).changed == 0
    monkeypatch.setattr("sidecar.preview.comparison.machine_started_ns", lambda: scanned_ns)
    assert preview(world, listing).changed == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who alone can give files away")
def test_another_owner_is_a_change_to_root(world: Path) -> None:
    game(world)
    listing = packed(world).listing
    os.chown(world / "run.sh", 1234, 1234)
    os.chown(world / "latest", 1234, 1234, follow_symlinks=False)
    assert told(preview(world, listing)) == [(CHANGED, b"run.sh", 2)]


def test_another_owner_is_no_change_for_an_ordinary_user(world: Path) -> None:
    (world / "folder").mkdir()
    (world / "folder").chmod(0o755)
    listing = listing_of(b"d 493 4321 4321 0 0 0 folder %")
    with as_nobody():
        assert counts(preview(world, listing)) == (0, 0, 0, 0)


@BOTH_MODES
def test_content_of_a_replaced_folder_is_removed_in_either_mode(world: Path, mode: Mode) -> None:
    (world / "a").write_bytes(b"a")
    (world / "b").symlink_to("a")
    (world / "c").mkdir()
    (world / "c" / "x").write_bytes(b"x")
    listing = packed(world).listing
    for name in ("a", "b"):
        (world / name).unlink()
        (world / name / "deep").mkdir(parents=True)
        (world / name / "deep" / "y").write_bytes(b"yy")
    (world / "a-b").write_bytes(b"stays in overlay")
    shutil.rmtree(world / "c")
    (world / "c").write_bytes(b"")
    found = preview(world, listing, mode)
    assert told(found) == [
        (CHANGED, b"a", 1),
        (REMOVED, b"a/deep", 0),
        (REMOVED, b"a/deep/y", 2),
        *([(REMOVED, b"a-b", 16)] if mode is Mode.REPLACE else []),
        (CHANGED, b"b", 0),
        (REMOVED, b"b/deep", 0),
        (REMOVED, b"b/deep/y", 2),
        (CHANGED, b"c", 0),
        (ADDED, b"c/x", 1),
    ]


def test_paths_are_compared_component_by_component(world: Path) -> None:
    names = ["a", "a-b", "a b", "a\x01", "a.b", "aa", "a0"]
    for name in names:
        (world / name).mkdir()
        (world / name / "x").touch()
    listing = packed(world).listing
    assert counts(preview(world, listing)) == (0, 0, 0, 0)
    shutil.rmtree(world / "a")
    assert [path for _, path, _ in told(preview(world, listing))] == [b"a", b"a/x"]
    for name in names[1:]:
        (world / name / "x").unlink()
    paths = [path for _, path, _ in told(preview(world, listing))]
    assert paths == [b"a", b"a/x", b"a\x01/x", b"a b/x", b"a-b/x", b"a.b/x", b"a0/x", b"aa/x"]


@pytest.mark.parametrize("name", [b"not \xff UTF-8", b"line\nbreak", b"100%", b"%0A", b"%", b" ", b"-rf"])
def test_any_name_is_compared_and_named_byte_for_byte(world: Path, name: bytes) -> None:
    file = world / os.fsdecode(name)
    file.write_bytes(b"1")
    listing = packed(world).listing
    assert counts(preview(world, listing)) == (0, 0, 0, 0)
    file.write_bytes(b"2")
    assert told(preview(world, listing)) == [(CHANGED, name, 1)]
    assert told(preview(world, listing_of())) == [(REMOVED, name, 1)]
    file.unlink()
    assert told(preview(world, listing)) == [(ADDED, name, 1)]


def test_a_live_folder_swapped_for_a_link_is_not_walked_through(world: Path) -> None:
    (world / "plugins").mkdir()
    (world / "plugins" / "config").write_bytes(b"config")
    listing = packed(world).listing
    outside = world.parent / "outside"
    (world / "plugins").rename(outside)
    (outside / "secret").write_bytes(b"secret")
    (world / "plugins").symlink_to(outside)
    assert told(preview(world, listing)) == [(CHANGED, b"plugins", 0), (ADDED, b"plugins/config", 6)]


@pytest.mark.parametrize("replacement", ["link", "folder"])
def test_file_swapped_for_another_kind_is_a_change_and_not_followed(world: Path, replacement: str) -> None:
    file = world / "file"
    file.write_bytes(b"content")
    listing = packed(world).listing
    file.rename(world.parent / "moved")
    {"link": lambda: file.symlink_to(world.parent / "moved"), "folder": file.mkdir}[replacement]()
    assert told(preview(world, listing)) == [(CHANGED, b"file", 7)]


@BOTH_MODES
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_the_pages_are_the_whole(world: Path, mode: Mode, limit: int) -> None:
    game(world)
    listing = packed(world).listing
    for path in sorted(world.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    for number in range(20):
        (world / f"new-{number}").touch()
    whole = preview(world, listing, mode)
    assert len(whole.changes) == 10 + 20 * (mode is Mode.REPLACE)
    changes: list[Change] = []
    more = True
    while more:
        page = preview(world, listing, mode, after=changes[-1].path if changes else b"", limit=limit)
        assert counts(page) == counts(whole)
        assert 1 <= len(page.changes) <= limit
        changes += page.changes
        more = page.more
    assert tuple(changes) == whole.changes


def test_without_paths_asked_for_only_numbers_come(world: Path) -> None:
    listing = listing_of(file_line(b"file", content=b"123"))
    assert preview(world, listing, limit=0) == Preview(1, 0, 0, 3, (), more=True)
    assert preview(world, listing_of(), limit=0) == Preview(0, 0, 0, 0, (), more=False)
    assert preview(world, listing, after=b"file") == Preview(1, 0, 0, 3, (), more=False)


def test_names_never_exceed_the_size_of_a_message(world: Path) -> None:
    deep = b"/".join([b"d" * 255] * 400)
    lines = [b"d 493 0 0 0 0 0 %b/%04d %%" % (deep, number) for number in range(40)]
    found = preview(world, listing_of(*lines))
    assert found.added == 40
    assert found.more
    assert 1 <= len(found.changes) < 40
    assert sum(len(change.path) for change in found.changes) <= 1 << 20
    rest = preview(world, listing_of(*lines), after=found.changes[-1].path)
    assert rest.changes[0].path == deep + b"/%04d" % len(found.changes)
    assert preview(world, listing_of(*lines, b"d 493 0 0 0 0 0 e %")).changes == found.changes


@BOTH_MODES
def test_nothing_is_written(world: Path, mode: Mode) -> None:
    game(world)
    listing = packed(world).listing
    (world / "level.dat").write_bytes(b"LEVEL")
    (world / "new").mkdir()
    before = traces(world.parent)
    assert preview(world, listing, mode).changed == 2
    assert traces(world.parent) == before


@pytest.mark.parametrize(
    ("listing", "error"),
    [
        (b"", ArchiveDamaged),
        (b"no listing", ArchiveDamaged),
        (listing_of(file_line(b"a"))[:-9], ArchiveDamaged),
        (listing_of(file_line(b"a"), end=b""), ArchiveDamaged),
        (listing_of(file_line(b"b"), file_line(b"a")), ArchiveDamaged),
        (listing_of(file_line(b"../../etc/passwd")), ArchiveRefused),
        (listing_of(file_line(b"/etc/passwd")), ArchiveRefused),
        (listing_of(file_line(b".savepoint/journal")), ArchiveRefused),
        (listing_of(head=HEAD.replace(b" 1 ", b" 3 ")), ArchiveRefused),
    ],
)
def test_a_listing_that_is_none_is_refused(world: Path, listing: bytes, error: type[Exception]) -> None:
    game(world)
    with pytest.raises(error):
        preview(world, listing)
    assert descriptors(world) == []


def test_missing_data_root_is_reported(world: Path) -> None:
    with pytest.raises(SourceFailed):
        preview(world / "missing", listing_of())


def test_stop_takes_effect_within_a_large_file(world: Path) -> None:
    with (world / "large").open("wb") as file:
        file.truncate(1 << 40)
    listing = listing_of(b"f %d %d %d 0 %d 0 large %%" % (0o644, os.geteuid(), os.getegid(), 1 << 40))
    (world / "large").chmod(0o644)
    steps = 0

    def check() -> None:
        nonlocal steps
        steps += 1
        if steps > 10:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        restore_preview(root=world, listing=iter([listing]), mode=Mode.REPLACE, page=PathsPage(b"", 0), check=check)
    assert steps == 11


@pytest.mark.slow
def test_memory_does_not_grow_with_the_tree(in_memory: Path, tmp_path: Path) -> None:
    world = in_memory / "large"
    world.mkdir()
    folders, files = 400, 500
    for folder in range(folders):
        (world / f"{folder:04}").mkdir()
        at = os.open(world / f"{folder:04}", os.O_RDONLY)
        for file in range(files):
            os.close(os.open(f"{file:06}.dat", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=at))
        os.close(at)
    with (tmp_path / "listing").open("wb") as file:
        writer = ListingWriter(file.write, started_ns=1)
        for number in range(folders * files):
            writer.add(Entry(FILE, 0o644, 0, 0, 0, 1, 0, b"0000/000000.dat-%09d" % number, b""))
        writer.finish()
    output = subprocess.run(
        [sys.executable, "-c", PREVIEW_AND_TELL_PEAK, world, tmp_path / "listing"],
        check=True,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ).stdout
    added, removed, named, before_kib, peak_kib = map(int, output.split())
    assert (added, removed, named) == (folders * files, folders * (files + 1), PATHS_MAX)
    assert (peak_kib - before_kib) * 1024 < 8 << 20
    shutil.rmtree(world)


def test_a_tree_deeper_than_a_path_can_be_long_is_compared(world: Path) -> None:
    bottom = chain_make(world, "d" * 200, 30)
    file_make(bottom, "treasure", b"t")
    listing = packed(world).listing
    assert counts(preview(world, listing)) == (0, 0, 0, 0)
    os.unlink("treasure", dir_fd=bottom)
    file_make(bottom, "treasure", b"T")
    os.close(bottom)
    assert told(preview(world, listing)) == [(CHANGED, b"/".join([b"d" * 200] * 30 + [b"treasure"]), 1)]
