"""A backup of a server that lost most of its files: marked, warned of, never good; its restore asks to confirm."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from backups.models import Backup
from backups.selectors import backups_last_good
from backups.services import collapse
from backups.services.backups import backup_update
from operations.models import Operation
from orders.models import Plan
from tests.api.problems import assert_problem
from tests.sidecar_daemon.daemon import Daemon
from tests.web.backups.reading import read, words
from tests.world.clients import browser_of, client_of
from tests.world.reconciled import World

FILES = 331


def backup_last_good(backup: Backup) -> Backup | None:
    return next(iter(backups_last_good(backup, count=1)), None)


class Server(World):
    """The rental with a sidecar of its own, whose data anything may happen to."""

    data: Path

    def shown(self, backup: Backup) -> dict[str, object]:
        return client_of(self.owner).get(self.backup_url(backup)).json()


@pytest.fixture
def server(transactional_db: None, tmp_path: Path) -> Iterator[Server]:
    daemon = Daemon(tmp_path / "sidecar")
    daemon.world.mkdir(parents=True)
    for number in range(FILES - 1):
        (daemon.world / f"{number:03}.dat").write_bytes(b"%03d" % number * 100)
    (daemon.world / "region.mca").write_bytes(bytes(range(256)) * 4000)
    daemon.start()
    found = Server.make(tmp_path / "storage")
    found.reach(daemon.address, token=daemon.token)
    found.data = daemon.world
    yield found
    daemon.close()


def emptied(data: Path) -> None:
    for path in data.iterdir():
        path.unlink()


def fresh_volume(data: Path) -> None:
    """Make the folder look like a new ext4 volume."""
    emptied(data)
    (data / "lost+found").mkdir(mode=0o700)


def unmounted(data: Path) -> None:
    """Unmount the volume, so that the bare folder below it appears."""
    data.rename(data.with_name("away"))
    data.mkdir()


def most_files_gone(data: Path) -> None:
    for path in sorted(data.glob("*.dat"))[: FILES * 2 // 3]:
        path.unlink()


def most_bytes_gone(data: Path) -> None:
    (data / "region.mca").write_bytes(b"")


def replaced_by_one_folder(data: Path) -> None:
    """Replace the data by as many bytes in hardly any entries."""
    emptied(data)
    (data / "region.mca").write_bytes(bytes(range(256)) * 4500)


COLLAPSES = [emptied, fresh_volume, unmounted, most_files_gone, most_bytes_gone, replaced_by_one_folder]


@pytest.mark.parametrize("collapse", COLLAPSES)
def test_collapsed_source_is_marked_and_warned_of(collapse, server):
    good = server.backup(name="good")
    collapse(server.data)
    backup = server.backup(name="after")
    shown = server.shown(backup)
    assert (shown["status"], shown["collapsed"], shown["warnings"]) == ("ready", True, 1)
    assert "had lost most of its files" in shown["caution"]
    assert f"{FILES} files and folders" in shown["caution"]
    assert backup_last_good(backup) == good
    owner = browser_of(server.owner)
    page = read(owner.get(f"{server.page}backups/{backup.id}/"))
    assert page.one(id="caution").one("p").text == words(str(shown["caution"]))
    row = read(owner.get(server.page)).one("tr", id=f"backup-{backup.id}")
    assert "Server had lost its files" in [mark.text for mark in row.all("li", class_="mark")]


@pytest.mark.parametrize("share", [0, 40])
def test_server_that_kept_most_is_not_marked(share, server):
    server.backup()
    for path in sorted(server.data.glob("*.dat"))[: FILES * share // 100]:
        path.unlink()
    shown = server.shown(server.backup())
    assert (shown["collapsed"], shown["warnings"], shown["caution"]) == (False, 0, None)


def test_first_backup_of_an_empty_server_is_marked(server):
    emptied(server.data)
    backup = server.backup()
    shown = server.shown(backup)
    assert (shown["collapsed"], shown["warnings"]) == (True, 1)
    assert "had no file content" in shown["caution"]
    assert backup_last_good(server.backup()) is None


def test_absent_data_folder_fails_and_leaves_the_good_backup(server):
    good = server.backup()
    server.data.rename(server.data.with_name("away"))
    failed = server.create()
    server.answer()
    failed.refresh_from_db()
    assert (failed.status, failed.operation.error_code) == ("failed", "source_failed")
    assert backup_last_good(failed) == good


def test_collapsed_backup_is_compared_with_the_good_one_not_the_last(server):
    server.backup()
    emptied(server.data)
    server.backup()
    (server.data / "one.dat").write_bytes(b"still next to nothing")
    assert server.shown(server.backup())["collapsed"]


def lose_files(server, percent):
    found = sorted(server.data.glob("*.dat"))
    for path in found[: len(found) * percent // 100]:
        path.unlink()


def lose_bytes(server, percent):
    for path in server.data.iterdir():
        os.truncate(path, path.stat().st_size * (100 - percent) // 100)


@pytest.mark.parametrize("lose", [lose_files, lose_bytes])
@pytest.mark.parametrize(("percent", "unmarked"), [(49, 1), (30, 1), (20, 3), (10, 6)])
def test_slow_loss_is_marked_when_it_comes_to_half(percent, unmarked, lose, server):
    """And from then on, until somebody says that it was meant."""
    server.backup()
    marks = []
    for _step in range(unmarked + 2):
        lose(server, percent)
        marks.append(server.shown(server.backup())["collapsed"])
    assert marks == [False] * unmarked + [True, True]


def test_nothing_older_than_a_confirmed_backup_is_compared(server):
    server.backup()
    lose_files(server, 49)
    server.backup()
    lose_files(server, 49)
    small = server.backup()
    backup_update(user=server.owner, backup=small, collapsed=False)
    assert backup_last_good(server.backup()) == small
    lose_files(server, 40)
    assert not server.shown(server.backup())["collapsed"]
    lose_files(server, 40)
    caution = server.shown(server.backup())["caution"]
    assert "an earlier good backup" in caution
    assert f"{small.entries} files and folders" in caution


def test_number_of_compared_backups_is_bounded(server, monkeypatch):
    monkeypatch.setattr(collapse, "COMPARED", 3)
    server.backup()
    lose_files(server, 40)
    for _time in range(3):
        server.backup()
    lose_files(server, 40)
    assert not server.shown(server.backup())["collapsed"]
    lose_files(server, 40)
    assert server.shown(server.backup())["collapsed"]


@pytest.mark.parametrize(("percent", "collapsed"), [(0, False), (50, True), (90, False)])
def test_threshold_is_the_plans(percent, collapsed, server):
    Plan.objects.update(collapse_percent=percent)
    server.backup()
    most_files_gone(server.data)
    assert server.shown(server.backup())["collapsed"] is collapsed


@pytest.mark.parametrize("mode", ["replace", "overlay"])
def test_api_restore_of_a_collapsed_backup_asks_for_a_word(mode, server):
    server.backup()
    emptied(server.data)
    collapsed = server.backup()
    client = client_of(server.owner)
    for body in ({"mode": mode}, {"mode": mode, "accept_collapsed": False}):
        assert_problem(
            client.post(server.backup_url(collapsed, "restore/"), body, format="json"), 409, "backup_collapsed"
        )
    assert not Operation.objects.filter(kind="restore").exists()
    body = {"mode": mode, "accept_collapsed": "yes"}
    assert_problem(client.post(server.backup_url(collapsed, "restore/"), body, format="json"), 400, "validation_error")
    body["accept_collapsed"] = True
    assert client.post(server.backup_url(collapsed, "restore/"), body, format="json").status_code == 202
    server.answer()
    assert Operation.objects.get(kind="restore").state == "succeeded"


@pytest.mark.parametrize("mode", ["replace", "overlay"])
def test_page_restore_of_a_collapsed_backup_takes_the_typed_name(mode, server):
    server.backup()
    emptied(server.data)
    path = f"{server.page}backups/{server.backup().id}/restore/"
    owner = browser_of(server.owner)
    form = read(owner.get(path))
    assert "had lost most of its files" in form.one(id="caution").text
    assert not [node for node in form.one("input", name="server").within() if "data-when-mode" in node]
    assert owner.post(path, {"mode": mode}).status_code == 400
    assert not Operation.objects.filter(kind="restore").exists()
    assert owner.post(path, {"mode": mode, "server": server.order.name}).status_code == 302
    assert Operation.objects.filter(kind="restore").exists()


def test_undo_that_brings_a_collapsed_state_back_asks_too(server):
    good = server.backup()
    whole = sorted(path.name for path in server.data.iterdir())
    emptied(server.data)
    server.restore(good)
    assert sorted(path.name for path in server.data.iterdir()) == whole
    assert Backup.objects.get(is_safety=True).collapsed
    client, owner = client_of(server.owner), browser_of(server.owner)
    assert_problem(client.post(server.backup_url(good, "undo/"), {}, format="json"), 409, "backup_collapsed")
    path = f"{server.page}backups/{good.id}/undo/"
    assert "had lost most of its files" in read(owner.get(path)).one(id="caution").text
    assert owner.post(path).status_code == 400
    assert not Operation.objects.filter(kind="undo").exists()
    assert owner.post(path, {"server": server.order.name}).status_code == 302
    server.answer()
    assert Operation.objects.get(kind="undo").state == "succeeded"
    assert not list(server.data.iterdir())


def test_undo_to_a_whole_state_asks_for_no_name(server):
    good = server.backup()
    server.restore(good)
    owner = browser_of(server.owner)
    form = read(owner.get(f"{server.page}backups/{good.id}/undo/"))
    assert not form.has("input", name="server")
    assert owner.post(f"{server.page}backups/{good.id}/undo/").status_code == 302


def test_volume_that_came_back_makes_a_good_backup_again(server):
    server.backup()
    unmounted(server.data)
    server.backup()
    shutil.rmtree(server.data)
    server.data.with_name("away").rename(server.data)
    back = server.backup()
    assert not back.collapsed
    assert backup_last_good(server.backup()) == back


@pytest.mark.parametrize("way", ["api", "page"])
def test_server_that_was_made_small_on_purpose_is_accepted(way, server):
    server.backup()
    most_files_gone(server.data)
    small = server.backup()
    client, owner = client_of(server.owner), browser_of(server.owner)
    if way == "api":
        refused = client.patch(server.backup_url(small), {"collapsed": True}, format="json")
        assert_problem(refused, 400, "validation_error")
        assert client.patch(server.backup_url(small), {"collapsed": False}, format="json").json()["caution"] is None
    else:
        path = f"{server.page}backups/{small.id}/"
        form = read(owner.get(path)).one(id="caution").one("form")
        assert form["action"] == f"{path}accept/"
        assert owner.post(form["action"]).status_code == 302
        assert not read(owner.get(path)).has(id="caution")
    assert (server.shown(small)["collapsed"], server.shown(small)["warnings"]) == (False, 0)
    assert client.post(server.backup_url(small, "restore/"), {}, format="json").status_code == 202
    server.answer()
    after = server.backup()
    assert not after.collapsed
    assert backup_last_good(after) == small
