"""Downloads of backups: those that are made on the fly are the same each time and resumable, in each format."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from urllib.parse import urlencode

import pytest
import zstandard

from backups.models import Backup
from orders.models import BackupFormat, Plan
from tests.formats.test_both import world_make
from tests.world.clients import client_of
from tests.world.linked import Linked
from vault.models import Asset, AssetExport, StorageTarget


@pytest.fixture
def kept(rented: Linked) -> Backup:
    """A backup of a world, of each format in turn."""
    world_make(rented.daemon.world)
    return rented.backup()


@pytest.fixture
def snapshot(linked: Linked) -> Backup:
    """A snapshot of a world."""
    Plan.objects.update(backup_format=BackupFormat.REPOSITORY)
    world_make(linked.daemon.world)
    return linked.backup()


@pytest.fixture
def fetch(rented: Linked, kept: Backup):
    """Ask for the download; the client holds its rights."""
    return asking(rented, kept)


def asking(rental: Linked, backup: Backup):
    client = client_of(rental.owner)

    def ask(*, method: str = "get", headers: dict[str, str] | None = None, **query: object):
        address = f"/api/v1/assets/{backup.asset_id}/?{urlencode(query, doseq=True)}"
        return getattr(client, method)(address, headers=headers or {})

    return ask


def body(response) -> bytes:
    return b"".join(response.streaming_content)


def tar_names(content: bytes) -> set[str]:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return set(archive.getnames())


def zstd_tar_names(content: bytes) -> set[str]:
    plain = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(content), read_across_frames=True).read()
    return tar_names(plain)


def zip_names(content: bytes) -> set[str]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name.rstrip("/") for name in archive.namelist()}


NAMES = {"tar.gz": tar_names, "tar.zst": zstd_tar_names, "zip": zip_names}
SOME = ["empty", "level.dat", "region", "twin.mca"]
made = pytest.mark.parametrize(
    ("name", "paths"), [("tar.gz", SOME), ("tar.zst", []), ("tar.zst", SOME), ("zip", []), ("zip", SOME)]
)
"""The downloads that are made on the fly in each format."""


@made
def test_a_second_download_is_the_same_and_knows_its_size(name, paths, fetch):
    first = fetch(format=name, path=paths)
    assert (first.status_code, first.headers["Accept-Ranges"]) == (200, "none")
    assert first.headers["Content-Disposition"].endswith(f'.{name}"')
    content = body(first)
    assert {"level.dat", "region/r.0.0.mca", "twin.mca", "empty"} <= NAMES[name](content)
    again = fetch(format=name, path=paths)
    assert body(again) == content
    assert again.headers["Content-Length"] == str(len(content))
    assert again.headers["Digest"].startswith("sha-256=")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert AssetExport.objects.get().sha256 == hashlib.sha256(content).hexdigest()


@made
def test_a_download_resumes_at_any_offset(name, paths, fetch):
    content = body(fetch(format=name, path=paths))
    tag = fetch(method="head", format=name, path=paths).headers["ETag"]
    for start in (0, 1, len(content) // 3, len(content) // 2, len(content) - 1):
        part = fetch(format=name, path=paths, headers={"Range": f"bytes={start}-", "If-Range": tag})
        assert part.status_code == 206
        assert part.headers["Content-Range"] == f"bytes {start}-{len(content) - 1}/{len(content)}"
        assert body(part) == content[start:]
    middle = fetch(format=name, path=paths, headers={"Range": "bytes=1000-1999"})
    assert body(middle) == content[1000:2000]


def test_a_client_that_has_it_is_told_so(fetch):
    tag = fetch(method="head").headers["ETag"]
    assert fetch(headers={"If-None-Match": tag}).status_code == 304
    assert fetch(format="zip", headers={"If-None-Match": tag}).status_code == 200


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"path": "nothing/here"}, 404, "path_not_found"),
        ({"path": "../level.dat"}, 400, "validation_error"),
        ({"path": "/etc/passwd"}, 400, "validation_error"),
        ({"path": "plugins//1"}, 400, "validation_error"),
        ({"format": "rar"}, 400, "validation_error"),
    ],
)
def test_what_cannot_be_downloaded_is_an_error_and_no_file(query, status, code, fetch):
    answer = fetch(**query)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_the_backup_shows_size_and_hash_after_a_complete_download(snapshot, linked):
    address = linked.backup_url(snapshot)
    client = client_of(linked.owner)
    assert client.get(address).json()["sha256"] is None
    content = body(asking(linked, snapshot)())
    shown = client.get(address).json()
    assert (shown["size_bytes"], shown["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize(("stored", "type_"), [("tar.gz", "application/gzip"), ("tar.zst", "application/zstd")])
def test_an_archive_is_downloaded_as_it_is_stored(stored, type_, linked):
    StorageTarget.objects.update(archive_format=stored)
    backup = linked.backup()
    answer = asking(linked, backup)(format=stored)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, type_)
    assert answer.headers["Content-Disposition"].endswith(f'.{stored}"')
    content = body(answer)
    assert "level.dat" in NAMES[stored](content)
    assert hashlib.sha256(content).hexdigest() == backup.asset.sha256
    assert not AssetExport.objects.exists()


@pytest.mark.parametrize("stored", ["tar.gz", "tar.zst"])
def test_an_archive_stays_as_it_is_stored_when_others_are_made_of_it(stored, linked):
    StorageTarget.objects.update(archive_format=stored)
    backup = linked.backup()
    before = Asset.objects.values("size_bytes", "sha256").get()
    ask = asking(linked, backup)
    for made, names in NAMES.items():
        assert "level.dat" in names(body(ask(format=made)))
    assert Asset.objects.values("size_bytes", "sha256").get() == before
    content = body(ask(format=stored))
    assert (len(content), hashlib.sha256(content).hexdigest()) == (before["size_bytes"], before["sha256"])
