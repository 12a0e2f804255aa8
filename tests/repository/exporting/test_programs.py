"""The archives of a snapshot are opened by the programs that people have, and hold what the snapshot has."""

from __future__ import annotations

import io
import os
import shutil
import stat
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from archives.formats import ArchiveFormat
from demo.comparison import archive_read, but_for, differences, tree_read
from tests.repository.exporting.trees import NOISE, ODD, TARS, TEXT, exported, tree_make
from tests.repository.restoring.trees import Kept
from tests.services.require import program_require

World = tuple[Kept, bytes, Path]


@pytest.fixture(scope="module")
def world(in_memory: Path) -> Iterator[World]:
    kept, source = Kept(), in_memory / "exported"
    tree_make(source)
    yield kept, kept.keep(source), source
    shutil.rmtree(source)


@pytest.mark.parametrize("format_", TARS)
def test_tar_brings_every_entry_back(world: World, format_: ArchiveFormat, place: Path) -> None:
    kept, snapshot, source = world
    archive, target = place / f"a.{format_}", place / "target"
    archive.write_bytes(exported(kept, snapshot, format_)[0])
    target.mkdir()
    program_require("zstd", package="zstd")

    subprocess.run(["tar", "-xpf", archive, "-C", target], check=True)

    assert differences(but_for(tree_read(source), "xattrs"), but_for(tree_read(target), "xattrs")) == []


@pytest.mark.parametrize("format_", TARS)
def test_the_standard_library_reads_the_same(world: World, format_: ArchiveFormat) -> None:
    kept, snapshot, source = world
    whole, points = exported(kept, snapshot, format_)
    stream: io.BufferedIOBase = io.BytesIO(whole)
    if format_ is ArchiveFormat.TAR_ZST:
        reader = zstandard.ZstdDecompressor().stream_reader(stream, read_across_frames=True)
        stream = io.BytesIO(subprocess.run(["gzip", "-c"], input=reader.read(), check=True, capture_output=True).stdout)

    found = archive_read(stream)

    assert differences(but_for(tree_read(source), "xattrs", "names"), but_for(found, "xattrs", "names")) == []
    assert points.size == len(whole)


@pytest.mark.parametrize(("format_", "program"), [("tar.gz", "gzip"), ("tar.zst", "zstd"), ("zip", "unzip")])
def test_the_program_of_the_format_finds_no_error(world: World, format_: str, program: str, place: Path) -> None:
    kept, snapshot, _ = world
    archive = place / f"a.{format_}"
    archive.write_bytes(exported(kept, snapshot, ArchiveFormat(format_))[0])
    path = program_require(program, package=program)

    done = subprocess.run([path, "-t", archive], check=False, capture_output=True, text=True, errors="replace")

    assert done.returncode == 0, done.stderr
    assert "error" not in (done.stdout + done.stderr).lower().replace("no errors", "")


def test_unzip_brings_files_links_and_modes_back(world: World, place: Path) -> None:
    kept, snapshot, source = world
    archive, target = place / "a.zip", place / "target"
    archive.write_bytes(exported(kept, snapshot, ArchiveFormat.ZIP)[0])
    unzip = program_require("unzip", package="unzip")

    subprocess.run([unzip, "-q", "-^", archive, "-d", target], check=True)

    def comparable(root: Path) -> dict:
        """The entries whose names it leaves as they are."""
        tree = but_for(tree_read(root), "xattrs", "names", "first", "mtime_ns", "owner")
        return {path: entry for path, entry in tree.items() if path.isascii() and b"\\" not in path}

    assert differences(comparable(source), comparable(target)) == []
    assert (target / "a" / "noise.jar").stat().st_mtime == int((source / "a" / "noise.jar").stat().st_mtime)


def test_a_zip_archive_has_every_name_content_and_mode(world: World) -> None:
    kept, snapshot, source = world
    with zipfile.ZipFile(io.BytesIO(exported(kept, snapshot, ArchiveFormat.ZIP)[0])) as archive:
        assert archive.testzip() is None
        found = {_name(member): member for member in archive.infolist()}
        contents = {name: archive.read(member) for name, member in found.items()}

    tree = tree_read(source)
    assert {name.rstrip(b"/") for name in found} == set(tree)
    assert contents[b"b.log"] == contents[b"a/text.log"] == TEXT * 60_000
    assert contents[b"dangling"] == ODD + b"/nothing"
    assert ODD in found
    for name, member in found.items():
        path = os.path.join(os.fsencode(source), name)  # noqa: PTH118  # names are bytes
        status = os.lstat(path)
        assert member.external_attr >> 16 == status.st_mode
        assert (name[-1:] == b"/") == stat.S_ISDIR(status.st_mode)
        if stat.S_ISREG(status.st_mode):
            assert member.file_size == status.st_size
            assert contents[name] == Path(os.fsdecode(path)).read_bytes()


@pytest.mark.parametrize("format_", list(ArchiveFormat))
def test_chosen_paths_come_with_the_folders_above_them(world: World, format_: ArchiveFormat, place: Path) -> None:
    """A hard link whose file was not chosen is a file, and the next link of that file a link to it."""
    kept, snapshot, _ = world
    archive, target = place / f"a.{format_}", place / "target"
    archive.write_bytes(exported(kept, snapshot, format_, [b"a/noise.jar", b"b.log", b"c.log", b"many"])[0])
    target.mkdir()
    if format_ is ArchiveFormat.ZIP:
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(target)
    else:
        subprocess.run(["tar", "-xpf", archive, "-C", target], check=True)

    assert sorted(path.name for path in target.iterdir()) == ["a", "b.log", "c.log", "many"]
    assert [path.name for path in (target / "a").iterdir()] == ["noise.jar"]
    assert (target / "a" / "noise.jar").read_bytes() == NOISE
    assert (target / "b.log").read_bytes() == (target / "c.log").read_bytes() == TEXT * 60_000
    assert len(list((target / "many").iterdir())) == 60
    assert (target / "b.log").samefile(target / "c.log") == (format_ is not ArchiveFormat.ZIP)


def _name(member: zipfile.ZipInfo) -> bytes:
    """A member's name in bytes: by the rules of zip, names without a mark are in the code page 437."""
    return member.orig_filename.encode("utf-8" if member.flag_bits & 1 << 11 else "cp437")
