"""The undo of a restore with the real parts: the server has its former files again, byte for byte."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from demo.comparison import Tree, but_for, tree_read
from tests.processes.portal import portal
from tests.processes.test_main_job import break_the_world


@pytest.fixture(scope="module", params=["archive", "repository"])
def running(request, tmp_path_factory):
    with portal(tmp_path_factory.mktemp("undo") / "home", backup_format=request.param) as found:
        yield found


def everything(root: Path) -> Tree:
    """A folder's time is its archive's, but for those whose names were just exchanged around it."""
    return but_for(tree_read(root), "mtime_ns", kind="folder")


def test_a_restore_is_previewed_done_and_taken_back(running):
    backup = running.backup()
    whole = everything(running.world)
    break_the_world(running.world)
    broken = everything(running.world)

    path = f"{running.backups}{backup['id']}/"
    preview = running.api("GET", f"{path}restore/preview/").json
    changes = {os.fsencode(change["path"]): change["change"] for change in preview["paths"]}
    wanted = {
        **dict.fromkeys(whole.keys() - broken.keys(), "added"),
        **dict.fromkeys(broken.keys() - whole.keys(), "removed"),
        **{name: "changed" for name in whole.keys() & broken.keys() if whole[name].content != broken[name].content},
    }
    assert changes == wanted
    assert (preview["added"], preview["changed"], preview["removed"]) == (1, 2, 2)
    assert preview["bytes"] == sum(
        whole[name].size for name, change in wanted.items() if change in ("added", "changed")
    )
    assert running.api("GET", f"{path}restore/preview/?mode=overlay").json["removed"] == 0
    assert everything(running.world) == broken

    assert running.api("POST", f"{path}restore/", {}).status == 202
    assert running.ended(backup["id"])["operation"]["state"] == "succeeded"
    assert everything(running.world) == whole
    assert running.api("GET", f"{path}restore/preview/").json["paths"] == []
    (safety,) = [row for row in running.api("GET", running.backups).json["results"] if row["safety"]]
    assert safety["name"] == f"Before the restore of {backup['name']}"
    assert safety["expires_at"] is not None

    answer = running.api("POST", f"{path}undo/", {})
    assert (answer.status, answer.json["status"], answer.json["operation"]["kind"]) == (202, "restoring", "undo")
    assert running.ended(backup["id"])["operation"]["state"] == "succeeded"
    assert everything(running.world) == broken
    refused = running.api("POST", f"{path}undo/", {})
    assert (refused.status, refused.json["code"]) == (409, "nothing_to_undo")
    # The files that the undo replaced are not lost either.
    assert len([row for row in running.api("GET", running.backups).json["results"] if row["safety"]]) == 2


def test_unstoppable_server_is_not_restored_if_it_must_stop(running):
    backup = running.backup()
    before = everything(running.world)
    running.api("POST", f"{running.backups}{backup['id']}/restore/", {"server": "stop"})
    failed = running.ended(backup["id"])
    assert failed["operation"]["error"]["code"] == "server_not_stopped"
    assert everything(running.world) == before
