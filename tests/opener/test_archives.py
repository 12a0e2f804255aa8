"""Archives, opened by the real command where neither Django nor the portal can be imported."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from targets.local import LocalStorage
from tests.opener.conftest import Place
from tests.opener.places import name_of, opened

MIB = 1 << 20
CONTENT = os.urandom(MIB) * 3 + b"the end"


def damage(path: Path, *, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("sealed", [True, False])
def test_an_archive_comes_out_as_it_was_made(place: Place, tmp_path: Path, *, sealed: bool) -> None:
    tenant = place.tenant()
    tenant.keys_copy()
    name = name_of(tenant.archive(CONTENT, sealed=sealed))

    listed = place.run("list")
    assert (listed.code, listed.err) == (0, "")
    assert name in listed.out
    assert "2026-01-31 12:00:00  3.1 MB  Survival / World / Nightly  ok" in listed.out

    verified = place.run("verify")
    assert (verified.code, verified.out, verified.err) == (0, f"{name}  ok\n", "nothing is damaged\n")

    extracted = place.run("extract", name[:8], "--to", tmp_path / "world.tar.gz")
    assert (extracted.code, extracted.err) == (0, "")
    assert "size and SHA-256 are right" in extracted.out
    assert (tmp_path / "world.tar.gz").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


def test_leftovers_of_killed_commands_go_with_the_next(folder: Place, tmp_path: Path) -> None:
    tenant = folder.tenant()
    tenant.keys_copy()
    name, to = name_of(tenant.archive(CONTENT)), tmp_path / "to"
    to.mkdir()
    paths = [to / f".world.tar.gz.{word}.partial" for word in ("dead", "living", "young")]
    other = to / ".another.tar.gz.dead.partial"
    for path in (*paths, other):
        path.write_bytes(b"what a killed command wrote")
    for path in (*paths[:2], other):
        os.utime(path, (0, 0))
    with paths[1].open() as living:
        fcntl.flock(living, fcntl.LOCK_EX)
        assert folder.run("extract", name[:8], "--to", to / "world.tar.gz").code == 0
    assert set(to.iterdir()) == {to / "world.tar.gz", *paths[1:], other}


def test_killed_extraction_leaves_a_file_that_the_next_removes(folder: Place, tmp_path: Path) -> None:
    tenant = folder.tenant()
    tenant.keys_copy()
    name, to = name_of(tenant.archive(CONTENT)), tmp_path / "to"
    to.mkdir()
    words = ["extract", *folder.words, "--master-keys", folder.keys, name[:8], "--to", to / "world.tar.gz"]
    killing = (
        "import os, signal, sys; from opener import output; from opener.__main__ import main; "
        "output._rename = lambda *args, **options: os.kill(os.getpid(), signal.SIGKILL); sys.exit(main(sys.argv[1:]))"
    )
    ended = subprocess.run([sys.executable, "-c", killing, *map(str, words)], check=False, capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    (left,) = to.iterdir()
    assert left.stat().st_size == len(CONTENT)
    os.utime(left, (0, 0))
    assert folder.run("extract", name[:8], "--to", to / "world.tar.gz").code == 0
    assert list(to.iterdir()) == [to / "world.tar.gz"]


def test_programs_get_json(folder: Place) -> None:
    tenant = folder.tenant()
    tenant.keys_copy()
    key = tenant.archive(b"content", name="\x1b[31mred\n")
    (row,) = map(json.loads, folder.run("list", "--json").out.splitlines())
    assert (row["name"], row["kind"], row["key"], row["size_bytes"]) == (name_of(key), "archive", key, 7)
    assert row["labels"]["backup_name"] == "\x1b[31mred\n"
    assert row["labels"]["tenant"] == str(tenant.tenant)
    # The name of a backup must not control the terminal of the reader.
    assert "\x1b" not in folder.run("list").out


def test_order_option_narrows_the_search(folder: Place) -> None:
    tenant = folder.tenant()
    tenant.keys_copy()
    keys = [tenant.archive(b"1"), tenant.archive(b"2")]
    order = keys[1].split("/")[1]
    assert [name_of(key) in folder.run("list", "--order", order).out for key in keys] == [False, True]


@pytest.mark.parametrize("at", [80, MIB + 100, -1])
def test_a_flipped_bit_is_damage_and_leaves_no_file(folder: Place, tmp_path: Path, at: int) -> None:
    tenant = folder.tenant()
    tenant.keys_copy()
    key, whole = tenant.archive(CONTENT), tenant.archive(CONTENT)
    damage(folder.stored(key), at=at)
    verified = folder.run("verify")
    assert verified.code == 1
    assert f"{name_of(whole)}  ok\n" in verified.out
    assert f"{name_of(key)}  damaged: frame" in verified.out
    extracted = folder.run("extract", name_of(key), "--to", tmp_path / "out")
    assert extracted.code == 1
    assert extracted.err.startswith("savepoint-open: damaged: frame")
    assert {path.name for path in tmp_path.iterdir()} == {"master-keys", "storage"}


def test_bytes_before_the_damage_can_be_kept(folder: Place, tmp_path: Path) -> None:
    tenant = folder.tenant()
    tenant.keys_copy()
    flipped, cut = tenant.archive(CONTENT), tenant.archive(CONTENT)
    damage(folder.stored(flipped), at=2 * MIB + 200)
    os.truncate(folder.stored(cut), 72 + MIB + 16 + 5)  # a size that no sealed object has
    for key, left in ((flipped, 2 * MIB), (cut, MIB)):
        answer = folder.run("extract", name_of(key), "--to", tmp_path / "out", "--keep-damaged")
        assert answer.code == 1
        assert (tmp_path / "out.damaged").read_bytes() == CONTENT[:left]
        assert not (tmp_path / "out").exists()


def test_a_plain_archive_that_was_changed_is_damage(folder: Place, tmp_path: Path) -> None:
    tenant = folder.tenant()
    tenant.keys_copy()
    key = tenant.archive(CONTENT, sealed=False)
    damage(folder.stored(key), at=5)
    assert folder.run("list").code == 0
    assert "SHA-256 are not those" in folder.run("verify").out
    assert folder.run("extract", name_of(key), "--to", tmp_path / "out").code == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize("how", ["missing", "damaged"])
def test_an_archive_comes_out_without_its_manifest(folder: Place, tmp_path: Path, how: str, *, sealed: bool) -> None:
    tenant = folder.tenant()
    tenant.keys_copy()
    key = tenant.archive(CONTENT, manifest=how == "damaged", sealed=sealed)
    if how == "damaged":
        damage(folder.stored(f"{key}.manifest"), at=100)
    assert "manifest cannot be used" in folder.run("list").out
    answer = folder.run("extract", name_of(key), "--to", tmp_path / "out")
    assert answer.code == 1
    assert ("every frame is as it was sealed" in answer.out) == sealed
    assert "manifest cannot be used" in answer.err
    assert (tmp_path / "out").read_bytes() == CONTENT


def test_manifest_without_its_archive_is_damage(place: Place, tmp_path: Path) -> None:
    tenant = place.tenant()
    tenant.keys_copy()
    key = tenant.archive(CONTENT)
    place.storage.delete(key)
    assert "the archive is missing" in place.run("list").out
    assert (place.run("list").code, place.run("verify").code) == (1, 1)
    answer = place.run("extract", name_of(key), "--to", tmp_path / "out")
    assert answer.code == 1
    assert "the archive is missing" in answer.err


def test_no_file_is_replaced_unless_it_is_asked_for(folder: Place, tmp_path: Path) -> None:
    tenant = folder.tenant()
    tenant.keys_copy()
    name = name_of(tenant.archive(CONTENT))
    out = tmp_path / "out"
    out.write_text("mine")
    answer = folder.run("extract", name, "--to", out)
    assert (answer.code, answer.err) == (2, f"savepoint-open: {out} is there already; --force replaces it\n")
    assert out.read_text() == "mine"
    assert folder.run("extract", name, "--to", out, "--force").code == 0
    assert out.read_bytes() == CONTENT


def test_without_a_place_to_write_it_is_the_folder_one_is_in(folder: Place, tmp_path: Path) -> None:
    tenant = folder.tenant()
    tenant.keys_copy()
    name = name_of(tenant.archive(CONTENT))
    (tmp_path / "here").mkdir()
    assert folder.run("extract", name, cwd=tmp_path / "here").code == 0
    assert (tmp_path / "here" / f"backup-{name}.tar.gz").read_bytes() == CONTENT


def test_a_name_that_is_not_one_backup_is_refused(folder: Place) -> None:
    tenant = folder.tenant()
    tenant.keys_copy()
    first, second = tenant.archive(CONTENT), tenant.archive(CONTENT)
    assert "may be several backups" in folder.run("extract", "").err
    assert "there is no backup nothing" in folder.run("extract", "nothing").err
    assert folder.run("verify", second).out == f"{name_of(second)}  ok\n"
    both = folder.run("verify", name_of(second), name_of(first)).out
    assert both == f"{name_of(second)}  ok\n{name_of(first)}  ok\n"


def test_a_later_attempt_is_a_backup_of_its_own(folder: Place) -> None:
    assert isinstance(folder.storage, LocalStorage)
    tenant = folder.tenant()
    tenant.keys_copy()
    key = tenant.archive(CONTENT, sealed=False, manifest=False)
    folder.stored(key).rename(folder.stored(key.replace(".tar.gz", ".2.tar.gz")))
    assert f"{name_of(key)}.2  archive" in folder.run("list").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["list", "--folder", "/nowhere", "--key-file", "-"], "there is no folder /nowhere"),
        (["list", "--folder", "/"], "--master-keys --key-file is required"),
        (["list", "--key-file", "-"], "--folder --s3-bucket is required"),
        (["list", "--folder", "/", "--key-file", "/nowhere"], "the file /nowhere cannot be read"),
        (["list", "--folder", "/", "--key-file", "-"], "standard input is empty"),
        (["list", "--folder", "/", "--key-file", "-", "--keys-file", "x"], "needs --master-keys"),
        (["list", "--s3-bucket", "b", "--key-file", "-"], "no credentials for the bucket"),
        (["list", "--s3-bucket", "b", "--s3-endpoint", "s3.example.com", "--key-file", "-"], "--s3-endpoint: "),
        (["list", "--s3-bucket", "b", "--s3-endpoint", "http://[127", "--key-file", "-"], "--s3-endpoint: "),
        (["list", "--s3-bucket", "", "--key-file", "-"], "--s3-bucket: This is missing."),
        (["list", "--s3-bucket", "b", "--s3-region", "eu west", "--key-file", "-"], "--s3-region: "),
        (["list", "--s3-bucket", "b", "--s3-region", "", "--key-file", "-"], "no credentials for the bucket"),
        (["extract", "--folder", "/", "--key-file", "-"], "required: NAME"),
        (["extract", "--folder", "/", "--key-file", "-", "n", "--never", "p"], "unknown: --never"),
        (["open"], "invalid choice"),
        ([], "required: COMMAND"),
    ],
)
def test_impossible_request_is_one_line(folder: Place, words: list[str], said: str) -> None:
    answer = opened(*words, environ={"HOME": "/nowhere"})
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert answer.err.startswith("savepoint-open: ")
    assert said in answer.err


def test_an_empty_place_is_no_success(place: Place) -> None:
    place.tenant().keys_copy()
    answer = place.run("list")
    assert (answer.code, answer.err) == (2, "savepoint-open: there are no backups at this place\n")


def test_wrong_credentials_are_reported(bucket: Place) -> None:
    bucket.environ["AWS_SECRET_ACCESS_KEY"] = "wrong-secret"
    answer = bucket.run("list")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "storage error: list: SignatureDoesNotMatch" in answer.err
    assert "wrong-secret" not in answer.err


def test_invalid_prefix_is_reported(bucket: Place) -> None:
    answer = bucket.run("list", "--s3-prefix", "my backups")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "--s3-prefix: A folder of a target has" in answer.err


def test_credentials_may_be_in_the_files_of_aws(bucket: Place, tmp_path: Path) -> None:
    tenant = bucket.tenant()
    tenant.keys_copy()
    name = name_of(tenant.archive(b"content"))
    key, secret = bucket.environ.pop("AWS_ACCESS_KEY_ID"), bucket.environ.pop("AWS_SECRET_ACCESS_KEY")
    (tmp_path / "aws").write_text(f"[worst-day]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n")
    bucket.environ |= {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "aws"), "AWS_PROFILE": "worst-day"}
    assert bucket.run("verify").out == f"{name}  ok\n"
