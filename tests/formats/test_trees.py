"""R24, R26 and R27: files that change while they are read, odd names, large and odd trees; there and back."""

from __future__ import annotations

import os
import shutil
import socket
import unicodedata
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from backups.models import BackupStatus
from common.paths import path_parsed
from demo.comparison import differences, live_read
from operations.models import OperationState
from orders.models import BackupFormat
from sidecar_client.client import SidecarClient, TreeSource
from tests.sidecar_daemon.remote_snapshots import At
from tests.world.clients import browser_of, client_of
from tests.world.linked import Linked

pytestmark = pytest.mark.processes

SLOW = 4 << 20
"""Bytes a second: the sidecar still reads the first file when its first bytes arrive."""


def at_first_bytes(monkeypatch: pytest.MonkeyPatch, backup_format: str, act: Callable[[], None]) -> None:
    """Act while the sidecar reads: after the scan of a snapshot, or when the first bytes of an archive are there."""
    name = "tree_source" if backup_format == BackupFormat.REPOSITORY else "archive_stream"
    begin = getattr(SidecarClient, name)

    def wrapped(client: SidecarClient, **options: Any) -> Any:
        found = begin(client, **options)
        if isinstance(found, TreeSource):
            return At.of("expect", act)(found)
        followed = type(found).__iter__

        def pieces(stream: Any) -> Any:
            for number, piece in enumerate(followed(stream)):
                if number == 0:
                    act()
                yield piece

        monkeypatch.setattr(type(found), "__iter__", pieces)
        return found

    monkeypatch.setattr(SidecarClient, name, wrapped)


def test_files_that_change_while_they_are_read_are_told(rented: Linked, monkeypatch: pytest.MonkeyPatch) -> None:
    rented.daemon.stop()
    rented.daemon.read_bytes_a_second = SLOW
    rented.daemon.start()
    rented.reach(rented.daemon.address, token=rented.daemon.token)
    world, random = rented.daemon.world, Random(4)  # noqa: S311  # the same in every run
    before = {"a-grows": random.randbytes(2 * SLOW), "b-shrinks": random.randbytes(500_000), "c-stays": b"as it was"}
    for name, content in before.items():
        (world / name).write_bytes(content)
    (world / "d-folder").mkdir()
    (world / "d-folder/gone").write_bytes(b"gone")
    (world / "e-gone").write_bytes(b"gone")
    acted: list[int] = []

    def change() -> None:
        with (world / "a-grows").open("ab") as file:
            file.write(b"more")
        os.truncate(world / "b-shrinks", 100_000)
        shutil.rmtree(world / "d-folder")
        (world / "e-gone").unlink()
        acted.append(1)

    with monkeypatch.context() as patched:
        at_first_bytes(patched, rented.order.plan.backup_format, change)
        backup = rented.backup()
    assert acted
    warned = {item["path"]: item["kind"] for item in backup.warnings}
    assert warned["e-gone"] == "vanished"
    assert {"d-folder", "d-folder/gone"} & warned.keys()
    told = client_of(rented.owner).get(rented.backup_url(backup)).json()
    assert told["warnings"] == len(backup.warnings) == backup.warnings_total
    page = browser_of(rented.owner).get(rented.at(backup)).content.decode()
    assert "Gone before it was read" in page
    rented.restore(backup)
    assert (world / "c-stays").read_bytes() == b"as it was"
    for name in ("a-grows", "b-shrinks"):
        found, was = (world / name).read_bytes(), before[name]
        now = was + b"more" if name == "a-grows" else was[:100_000]
        assert found in (was, now) or warned[name] == "changed"
    assert not (world / "e-gone").exists()


NAMES = {
    "no text": b"b\xff\xfe",
    "a newline": b"one\ntwo\r\n",
    "a dash": b"-rf",
    "two dashes": b"--help",
    "a percent sign": b"50%20off%",
    "a backslash": b"C:\\world",
    "markup": b"<b onclick='x'>&amp;\"",
    "255 bytes": b"n" * 255,
    "255 bytes of letters": "ü".encode() * 127,
    "composed": unicodedata.normalize("NFC", "Größe").encode(),
    "decomposed": unicodedata.normalize("NFD", "Größe").encode(),
    "right to left": "\u202egnp.exe".encode(),
    "spaces": b"  two  ",
    "a control character": b"bell\x07\x1b[31m",
}
DEEP = b"/".join(b"folder-%03d-with-a-long-name" % number for number in range(40))


def test_names_of_any_bytes_come_back_and_are_shown(rented: Linked) -> None:
    world = os.fsencode(rented.daemon.world)
    for number, name in enumerate([*NAMES.values(), DEEP + b"/deep"]):
        path = os.path.join(world, name)  # noqa: PTH118  # names are bytes
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
        Path(os.fsdecode(path)).write_bytes(b"content %d" % number)
    before = live_read(rented.daemon.world)
    backup = rented.backup()
    assert backup.warnings_total == 0
    client = client_of(rented.owner)
    rows = client.get(rented.backup_url(backup, "files/")).json()["results"]
    assert {path_parsed(row["path"]) for row in rows} >= set(NAMES.values())
    for number, name in enumerate(NAMES.values()):
        [row] = [row for row in rows if path_parsed(row["path"]) == name]
        content = client.get(rented.backup_url(backup, "files/content/"), {"path": row["path"]})
        assert b"".join(content.streaming_content) == b"content %d" % number
        assert "\n" not in content.headers["Content-Disposition"]
    shown = browser_of(rented.owner).get(rented.at(backup, "files/"))
    assert shown.status_code == 200
    assert b"<b onclick" not in shown.content
    for entry in rented.daemon.world.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    rented.restore(backup)
    assert differences(before, live_read(rented.daemon.world)) == []


MANY = 5_000
SPARSE = 200 << 30
MEMORY_MIB = 150


def odd_tree(world: Path) -> None:
    """Everything that is no plain file, in the ways that hang or loop a careless reader."""
    os.mkfifo(world / "fifo")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(world / "socket"))
    (world / "loop").symlink_to("loop")
    (world / "up").symlink_to("..")
    (world / "folder").mkdir()
    (world / "folder/back").symlink_to("../folder")
    for number in range(50):
        (world / f"folder/name-{number}").hardlink_to(world / "level.dat")


def test_fifos_sockets_loops_and_many_names_neither_hang_nor_stay_untold(rented: Linked) -> None:
    odd_tree(rented.daemon.world)
    before = live_read(rented.daemon.world)
    backup = rented.backup()
    assert {item["path"]: item["kind"] for item in backup.warnings if item["kind"] == "skipped"} == {
        "fifo": "skipped", "socket": "skipped",
    }  # fmt: skip
    shutil.rmtree(rented.daemon.world / "folder")
    (rented.daemon.world / "loop").unlink()
    assert rented.restore(backup).state == OperationState.SUCCEEDED
    assert differences(before, live_read(rented.daemon.world)) == []
    assert (rented.daemon.world / "folder/name-7").samefile(rented.daemon.world / "level.dat")


def test_a_folder_of_very_many_files_takes_little_memory_and_comes_back(rented: Linked) -> None:
    folder = rented.daemon.world / "many"
    folder.mkdir()
    for number in range(MANY):
        (folder / f"{number}.json").write_bytes(b"%d" % number)
    backup = rented.backup()
    assert backup.entries == MANY + 2
    for number in range(0, MANY, 100):
        (folder / f"{number}.json").unlink()
    (folder / "extra").write_bytes(b"extra")
    rented.restore(backup)
    assert {path.name for path in folder.iterdir()} == {f"{number}.json" for number in range(MANY)}
    assert (folder / "4900.json").read_bytes() == b"4900"
    assert rented.daemon.peak_memory_mib() < MEMORY_MIB


def test_a_huge_sparse_file_costs_only_its_data(rented: Linked) -> None:
    if rented.order.plan.backup_format == BackupFormat.ARCHIVE:
        pytest.skip("an archive has every zero of it")
    path = rented.daemon.world / "sparse.db"
    with path.open("wb") as file:
        file.truncate(SPARSE)
        for at in (0, SPARSE // 2, SPARSE - 3):
            file.seek(at)
            file.write(b"end")
    backup = rented.backup()
    assert (backup.status, backup.content_bytes > SPARSE) == (BackupStatus.READY, True)
    assert backup.added_bytes < 8 << 20
    path.unlink()
    rented.restore(backup)
    assert (path.stat().st_size, path.stat().st_blocks * 512 < 8 << 20) == (SPARSE, True)
    with path.open("rb") as file:
        file.seek(SPARSE // 2)
        assert file.read(4) == b"end\0"
    assert rented.daemon.peak_memory_mib() < MEMORY_MIB
