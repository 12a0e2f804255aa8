"""Valid archives are restored to the last bit, whichever program wrote them."""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from demo.comparison import Tree
from sidecar.restore.workspace.outcomes import ExtractSummary
from tests.sidecar_restore.archives import END, compressed, gnu_pack, header, member, pack, pax
from tests.sidecar_restore.conftest import Extract
from tests.sidecar_restore.trees import live, settle, snapshot, write

NANOSECOND, MILLISECOND, SECOND = 1, 10**6, 10**9


@pytest.fixture
def world(place: Path) -> Path:
    """A tree with every kind of entry that an archive can hold, with short ASCII names."""
    world = place / "world"
    write(world / "server.properties", b"motd=hi\n", mode=0o640)
    write(world / "region" / "r.0.0.mca", os.urandom(3_000_000))
    write(world / "region" / "empty.mca")
    write(world / "bin" / "start.sh", b"#!/bin/sh\n", mode=0o755)
    write(world / "logs" / "exact.log", b"x" * 512)
    (world / "nothing" / "inside").mkdir(parents=True)
    os.link(world / "region" / "r.0.0.mca", world / "region" / "same.mca")
    (world / "current").symlink_to("region")
    (world / "dangling").symlink_to("not/there")
    (world / "private").mkdir(mode=0o700)
    write(world / "private" / "key", b"k", mode=0o400)
    (world / "private").chmod(0o500)
    if os.geteuid() == 0:
        os.chown(world / "server.properties", 1234, 2345)
        os.chown(world / "region", 1234, 2345)
        os.chown(world / "current", 1234, 2345, follow_symlinks=False)
    settle(world)
    return world


@pytest.mark.parametrize(
    ("tar_format", "unit"),
    # Python's pax times pass through floats; the other formats store whole seconds.
    [(tarfile.PAX_FORMAT, MILLISECOND), (tarfile.GNU_FORMAT, SECOND), (tarfile.USTAR_FORMAT, SECOND)],
)
def test_an_archive_by_tarfile_comes_back_byte_for_byte(
    world: Path, place: Path, root: Path, extract: Extract, tar_format: int, unit: int
) -> None:
    summary = extract(pack(world, place / "a.tar.gz", tar_format=tar_format))

    assert timed(live(root), unit) == timed(live(world), unit)
    assert summary == ExtractSummary(files=9, bytes=3_000_000 + 8 + 10 + 512 + 1, removed=0)


@pytest.mark.parametrize(
    ("tar_format", "unit"), [("pax", NANOSECOND), ("gnu", SECOND), ("ustar", SECOND), ("v7", SECOND)]
)
def test_an_archive_by_gnu_tar_comes_back_byte_for_byte(
    world: Path, place: Path, root: Path, extract: Extract, tar_format: str, unit: int
) -> None:
    extract(gnu_pack(world, place / "a.tar.gz", tar_format, "--numeric-owner"))

    assert timed(live(root), unit) == timed(live(world), unit)


@pytest.mark.parametrize("tar_format", ["gnu", "pax"])
def test_names_of_any_bytes_and_any_depth_come_back(place: Path, root: Path, extract: Extract, tar_format: str) -> None:
    world = place / "world"
    world.mkdir()
    names = [
        b"n" * 255,
        b"\xff\xfe",
        b"new\nline",
        b"-rf",
        b"per%25cent %",
        b" blank ",
        b"caf\xc3\xa9",
        b"cafe\xcc\x81",
    ]
    for name in [*names, b"\xe2\x80\xaertl", b"back\\slash", b"\r", b"%"]:
        text = os.fsdecode(name)
        write(world / text / text, name)
        (world / text / "link to").symlink_to(text)
    deep = world
    for _ in range(60):
        deep = deep / ("d" * 60)
    write(deep / "bottom", b"down here")
    settle(world)

    extract(gnu_pack(world, place / "a.tar.gz", tar_format))

    assert timed(live(root), SECOND) == timed(live(world), SECOND)


def test_an_archive_of_several_gzip_members_is_one(place: Path, root: Path, extract: Extract) -> None:
    data = member(b"a", b"one" * 1000) + member(b"b", b"two") + END
    archive = place / "a.tar.gz"
    archive.write_bytes(b"".join(gzip.compress(data[at : at + 700]) for at in range(0, len(data), 700)))

    extract(archive)

    assert (root / "a").read_bytes() == b"one" * 1000
    assert (root / "b").read_bytes() == b"two"


def test_global_and_own_pax_records_override_the_header(place: Path, root: Path, extract: Extract) -> None:
    extract(
        compressed(
            place / "a.tar.gz",
            pax({b"mtime": b"1234567.25", b"comment": b"of no meaning"}, b"g"),
            member(b"first"),
            pax({b"path": b"sec\xffond", b"mtime": b"-1.5"}),
            member(b"ignored", b"bytes"),
            pax({b"mtime": b"", b"size": b"3"}),
            header(b"third") + b"abc" + bytes(509),
        )
    )

    found = live(root)
    assert {path: entry.mtime_ns for path, entry in found.items()} == {
        b"first": 1_234_567_250_000_000,
        b"sec\xffond": -1_500_000_000,
        b"third": 1_600_000_000_000_000_000,
    }
    assert (root / "third").read_bytes() == b"abc"


def test_numbers_in_base_256_are_read(place: Path, root: Path, extract: Extract) -> None:
    size = b"\x80" + (5).to_bytes(11, "big")

    extract(compressed(place / "a.tar.gz", header(b"file", size_field=size) + b"12345" + bytes(507)))

    assert (root / "file").read_bytes() == b"12345"


def test_folders_that_no_member_names_are_made_with_the_roots_owner(place: Path, root: Path, extract: Extract) -> None:
    if os.geteuid() == 0:
        os.chown(root, 4321, 4321)

    extract(compressed(place / "a.tar.gz", member(b"./a//b/./c/file", b"here")))

    assert (root / "a/b/c/file").read_bytes() == b"here"
    for folder in ("a", "a/b", "a/b/c"):
        assert (root / folder).stat().st_uid == root.stat().st_uid
        assert (root / folder).stat().st_mode & 0o777 == 0o755


def test_special_permission_bits_are_dropped(place: Path, root: Path, extract: Extract) -> None:
    extract(
        compressed(place / "a.tar.gz", member(b"file", b"", mode=0o6755), member(b"folder/", b"", b"5", mode=0o3777))
    )

    assert (root / "file").stat().st_mode & 0o7777 == 0o755
    assert (root / "folder").stat().st_mode & 0o7777 == 0o777


def test_a_live_folder_keeps_its_own_special_bits(place: Path, root: Path, extract: Extract) -> None:
    (root / "shared").mkdir()
    (root / "shared").chmod(0o2770)

    extract(compressed(place / "a.tar.gz", member(b"shared", b"", b"5", mode=0o4750)))

    assert (root / "shared").stat().st_mode & 0o7777 == 0o2750


def test_links_that_lead_out_of_the_root_come_back_as_links(place: Path, root: Path, extract: Extract) -> None:
    outside = write(place / "outside" / "shared.jar", b"shared").parent
    before = snapshot(outside)

    extract(
        compressed(
            place / "a.tar.gz",
            member(b"absolute", kind=b"2", link=os.fsencode(outside)),
            member(b"climbing", kind=b"2", link=b"../outside/shared.jar"),
        )
    )

    assert (root / "absolute").readlink() == outside
    assert (root / "climbing").readlink() == Path("../outside/shared.jar")
    assert snapshot(outside) == before


def test_the_roots_own_entry_leaves_the_root_as_its_provision_made_it(
    place: Path, root: Path, extract: Extract
) -> None:
    root.chmod(0o750)

    extract(compressed(place / "a.tar.gz", member(b"./", kind=b"5", mode=0o777, owner=999), member(b"./file")))

    assert root.stat().st_mode & 0o777 == 0o750
    assert root.stat().st_uid == os.geteuid()
    assert (root / "file").exists()


def test_a_sparse_file_comes_back_without_filling_the_disk(place: Path, root: Path, extract: Extract) -> None:
    world = place / "world"
    world.mkdir()
    with (world / "sparse").open("wb") as file:
        file.seek(40 << 20)
        file.write(b"end")
        file.truncate(90 << 20)

    extract(pack(world, place / "a.tar.gz"))

    assert (root / "sparse").stat().st_size == 90 << 20
    assert (root / "sparse").stat().st_blocks * 512 < 4 << 20
    with (root / "sparse").open("rb") as file:
        assert file.read(40 << 20) == bytes(40 << 20)
        assert file.read(4) == b"end\0"


def test_an_empty_archive_empties_the_root(place: Path, root: Path, extract: Extract) -> None:
    write(root / "folder" / "file")
    write(root / "other")

    summary = extract(compressed(place / "a.tar.gz"))

    assert summary == ExtractSummary(files=0, bytes=0, removed=3)
    assert live(root) == {}


def test_restore_works_on_a_disk_as_in_memory(world: Path, place: Path, tmp_path: Path, extract: Extract) -> None:
    root = tmp_path / "root"
    shutil.copytree(world, root, symlinks=True)
    write(root / "server.properties", b"changed")

    extract(gnu_pack(world, place / "a.tar.gz", "pax"), root=root)

    assert live(root) == live(world)


def timed(tree: Tree, unit: int) -> Tree:
    """The tree with its times rounded down to units of that many nanoseconds."""
    return {path: replace(entry, mtime_ns=entry.mtime_ns // unit) for path, entry in tree.items()}


@pytest.mark.parametrize("contents", [(b"1", b"live"), (b"live", b"1"), (b"live", b"live"), (b"1", b"live", b"2")])
def test_last_member_of_a_name_counts_whichever_is_live(
    place: Path, root: Path, extract: Extract, contents: tuple[bytes, ...]
) -> None:
    write(root / "file", b"live")
    settle(root)
    extract(compressed(place / "a.tar.gz", *(member(b"file", content) for content in contents)))
    assert (root / "file").read_bytes() == contents[-1]
