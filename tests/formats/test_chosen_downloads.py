"""Downloads of a folder or of chosen files, the same in each format."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
import zstandard

from backups.formats import archive_choice, archive_contents
from demo.comparison import Tree, archive_read, but_for, differences, live_read
from tests.formats.test_both import world_make
from tests.formats.test_downloads import asking, body
from tests.world.clients import client_of
from tests.world.linked import Linked
from vault.errors import ArchiveDamagedError
from wire.listing import Entry

CHOSEN = ["plugins/1", "region", "twin.mca", "latest", "sparse.db", "odd %FF%0A name"]
"""Two names of a file whose first name is not among them, a link, holes, and letters of no alphabet."""


@pytest.fixture
def world(rented: Linked) -> Path:
    root = rented.daemon.world
    world_make(root)
    os.link(root / "twin.mca", root / "a.mca")
    (root / "plugins").chmod(0o750)
    return root


def chosen(tree: Tree) -> Tree:
    """The part of the world that is asked for."""
    wanted = (b"plugins/1", b"region", b"twin.mca", b"latest", b"sparse.db", b"odd \xff\n name")
    return {
        path: entry
        for path, entry in tree.items()
        if path == b"plugins" or any(path == one or path.startswith(one + b"/") for one in wanted)
    }


@pytest.mark.parametrize("name", ["tar.gz", "tar.zst"])
def test_a_tar_has_the_chosen_files_as_they_were(name: str, world: Path, rented: Linked) -> None:
    backup = rented.backup()
    content = body(asking(rented, backup)(format=name, path=CHOSEN))
    if name == "tar.zst":
        plain = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(content), read_across_frames=True).read()
        content = gzip.compress(plain, 1)
    found = archive_read(io.BytesIO(content))
    aspects = ("xattrs", "first", "names")
    assert differences(but_for(chosen(live_read(world)), *aspects), but_for(found, *aspects)) == []
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        linked = archive.getmember("twin.mca")
        assert (linked.islnk(), linked.linkname) == (True, "region/r.0.0.mca")


def test_a_zip_has_the_file_at_each_name(world: Path, rented: Linked) -> None:
    backup = rented.backup()
    content = body(asking(rented, backup)(format="zip", path=CHOSEN))
    expected = chosen(live_read(world))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        found = {
            member.orig_filename.encode("utf-8" if member.flag_bits & 1 << 11 else "cp437"): member
            for member in archive.infolist()
        }
        assert {path.rstrip(b"/") for path in found} == set(expected)
        for path, member in found.items():
            below = Path(os.fsdecode(os.path.join(os.fsencode(world), path)))  # noqa: PTH118  # names are bytes
            assert member.external_attr >> 16 == below.lstat().st_mode
            if below.is_symlink():
                assert archive.read(member) == os.fsencode(below.readlink())
            elif below.is_file():
                assert archive.read(member) == below.read_bytes()


def test_everything_in_another_format_is_everything(world: Path, rented: Linked) -> None:
    backup = rented.backup()
    content = body(asking(rented, backup)(format="zip"))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == len(live_read(world))
        assert archive.read("a.mca") == archive.read("twin.mca") == (world / "twin.mca").read_bytes()


def test_a_folder_leads_to_an_archive_of_it(world: Path, rented: Linked) -> None:
    backup = rented.backup()
    answer = client_of(rented.owner).get(
        rented.backup_url(backup, "files/content/"), {"path": "plugins/2"}, follow=True
    )
    assert answer.headers["Content-Type"] == "application/gzip"
    found = archive_read(io.BytesIO(body(answer)))
    expected = {path: entry for path, entry in live_read(world).items() if path.startswith(b"plugins/2/")}
    assert {path for path in found if path not in (b"plugins", b"plugins/2")} == set(expected)


def test_too_many_hard_links_for_a_zip_are_refused(linked: Linked, monkeypatch: pytest.MonkeyPatch) -> None:
    world_make(linked.daemon.world)
    os.link(linked.daemon.world / "twin.mca", linked.daemon.world / "a.mca")
    ask = asking(linked, linked.backup())
    monkeypatch.setattr(archive_choice, "PASSES_MOST", 1)
    answer = ask(format="zip")
    assert (answer.status_code, answer.json()["code"]) == (400, "validation_error")
    assert ask(format="tar.zst").status_code == 200


def test_damage_before_the_chosen_file_is_an_error_and_marks_the_backup(linked: Linked) -> None:
    """An archive is read up to a file, so that damage in a file before it, which was not chosen, is found."""
    world_make(linked.daemon.world)
    backup = linked.backup()
    stored = linked.root / backup.asset.key
    content = bytearray(stored.read_bytes())
    content[len(content) // 3] ^= 1
    stored.write_bytes(content)
    answer = asking(linked, backup)(format="tar.gz", path=["twin.mca"])
    assert (answer.status_code, answer.json()["code"]) == (ArchiveDamagedError.status, "archive_damaged")
    backup.refresh_from_db()
    assert backup.degraded


def test_content_that_is_not_the_listed_one_is_damage(linked: Linked, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file is checked by itself, whatever the stored archive as a whole says."""
    backup = linked.backup()
    read = archive_contents.entry_of_archive

    def of_another_file(line: bytes) -> Entry:
        entry = read(line)
        return entry._replace(crc32=entry.crc32 ^ 1)

    monkeypatch.setattr(archive_contents, "entry_of_archive", of_another_file)
    answer = asking(linked, backup)(format="tar.zst", path=["level.dat"])
    assert (answer.status_code, answer.json()["code"]) == (ArchiveDamagedError.status, "archive_damaged")
