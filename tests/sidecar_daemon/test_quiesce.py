"""The game is quiesced while it is packed; whatever it does, the backup is made and labelled correctly."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sidecar_daemon.daemon import Daemon, eventually
from tests.sidecar_daemon.games import (
    FIRST,
    HELD_ONCE,
    LAST,
    ScriptedServer,
    goes_on,
    marked,
    minecraft,
    packed,
    world,
    write,
)
from tests.sidecar_game.rcon_server import RconServer, packet
from wire.enums import Consistency

pytestmark = pytest.mark.processes


def test_game_saves_before_the_first_byte_and_not_again_until_the_end(idle_daemon: Daemon, rcon: RconServer) -> None:
    world(idle_daemon)
    minecraft(idle_daemon, rcon)
    seen: list[bool] = []

    def on(command: str) -> None:
        seen.append(marked(idle_daemon))
        if command == "save-all flush":
            assert not rcon.saving
            write(idle_daemon, b"written by the flush")
        if command == "save-on":
            write(idle_daemon, b"written by the game going on")

    rcon.on = on
    idle_daemon.start()
    result, content = packed(idle_daemon)
    assert rcon.told == HELD_ONCE
    assert content == {FIRST: b"written by the flush", LAST: b"written by the flush"}
    assert result.consistency is Consistency.QUIESCED
    assert result.content_bytes == 20 * (1 << 20) + 2 * len(b"written by the flush")
    assert seen == [True, True, True]
    assert goes_on(idle_daemon, rcon)


def test_backup_without_quiesce_does_not_disturb_the_game(idle_daemon: Daemon, rcon: RconServer) -> None:
    world(idle_daemon)
    minecraft(idle_daemon, rcon)
    idle_daemon.start()
    result, _ = packed(idle_daemon, quiesce=False)
    assert result.consistency is Consistency.LIVE
    assert rcon.told == []


def test_sidecar_describes_its_profile(idle_daemon: Daemon, rcon: RconServer, tmp_path: Path) -> None:
    minecraft(idle_daemon, rcon)
    idle_daemon.start()
    with idle_daemon.client() as client:
        told = client.describe()
    assert (told.profile, told.can_quiesce, told.can_stop) == ("minecraft-java", True, False)
    idle_daemon.stop()
    idle_daemon.game = ScriptedServer(tmp_path).control() | {"profile": "generic"}
    idle_daemon.start()
    with idle_daemon.client() as client:
        told = client.describe()
    assert (told.profile, told.can_quiesce, told.can_stop) == ("generic", False, True)


def test_without_a_profile_a_backup_is_as_a_power_cut_would_leave_it(daemon: Daemon) -> None:
    world(daemon)
    result, _ = packed(daemon)
    assert result.consistency is Consistency.LIVE
    with daemon.client() as client:
        told = client.describe()
    assert (told.profile, told.can_quiesce, told.can_stop) == ("none", False, False)


def test_game_of_commands_is_quiesced_and_resumed(idle_daemon: Daemon, tmp_path: Path) -> None:
    game = ScriptedServer(tmp_path)
    world(idle_daemon)
    flush = "for f in world/a/first.dat world/z/last.dat; do printf {} > $f; done; echo {} >> game.log"
    idle_daemon.game = {
        "profile": "generic",
        "quiesce_command": game.script(flush.format("quiesced", "quiesce")),
        "resume_command": game.script(flush.format("resumed", "resume")),
    }
    idle_daemon.start()
    result, content = packed(idle_daemon)
    assert game.logged() == ["quiesce", "resume"]
    assert content == {FIRST: b"quiesced", LAST: b"quiesced"}
    assert result.consistency is Consistency.QUIESCED
    assert not marked(idle_daemon)


@pytest.mark.parametrize(("quiesce", "resumed"), [("exit 1", 1), ("exec sleep 600", 1)])
def test_a_command_that_fails_lowers_the_label_only(
    idle_daemon: Daemon, tmp_path: Path, quiesce: str, resumed: int
) -> None:
    game = ScriptedServer(tmp_path)
    world(idle_daemon)
    idle_daemon.game = {
        "profile": "generic",
        "quiesce_command": game.script(quiesce),
        "resume_command": game.script("echo resume >> game.log"),
        "timeout_seconds": 0.5,
    }
    idle_daemon.start()
    result, content = packed(idle_daemon)
    assert result.consistency is Consistency.LIVE
    assert len(content) == 2
    assert game.logged() == ["resume"] * resumed
    assert not marked(idle_daemon)


TROUBLES = {
    "nobody listens": lambda rcon: rcon.close(),
    "the password is wrong": lambda rcon: rcon.raw.update(login=packet(-1, 2, b"")),
    "no answer to the login": lambda rcon: rcon.silent.add("login"),
    "the login is dropped": lambda rcon: rcon.raw.update(login=b""),
    "the login is answered with rubbish": lambda rcon: rcon.raw.update(login=b"\xff" * 4096),
    "no answer to save-off": lambda rcon: rcon.silent.add("save-off"),
    "save-off is dropped": lambda rcon: rcon.raw.update({"save-off": b""}),
    "save-off is answered with rubbish": lambda rcon: rcon.raw.update({"save-off": b"\0" * 4096}),
    "no answer to the flush": lambda rcon: rcon.silent.add("save-all flush"),
    "the flush is dropped": lambda rcon: rcon.raw.update({"save-all flush": b""}),
    "the flush is answered in part": lambda rcon: rcon.raw.update({"save-all flush": packet(4, 0, b"Saved")[:-4]}),
    "the flush fails": lambda rcon: rcon.answers.update(
        {"save-all flush": "Unable to save the game (is there enough disk space?)"}
    ),
    "save-off is not known": lambda rcon: rcon.answers.update({"save-off": "Unknown or incomplete command"}),
    "saving goes on by itself": lambda rcon: setattr(
        rcon, "on", lambda told: setattr(rcon, "saving", rcon.saving or told == "save-on")
    ),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_backup_is_made_and_labelled_whatever_the_game_does(
    idle_daemon: Daemon, rcon: RconServer, trouble: str
) -> None:
    world(idle_daemon)
    minecraft(idle_daemon, rcon, timeout_seconds=0.5)
    TROUBLES[trouble](rcon)
    idle_daemon.start()
    result, content = packed(idle_daemon)
    assert result.consistency is Consistency.LIVE
    assert content == {FIRST: b"not written yet", LAST: b"not written yet"}
    assert eventually(lambda: goes_on(idle_daemon, rcon))
    # Every begun quiesce is undone, and no other command is sent.
    assert ("save-on" in rcon.told) == ("save-off" in rcon.told)
    assert "s3cret" not in "".join(idle_daemon.log)


def test_a_server_that_answers_in_another_language_is_believed(idle_daemon: Daemon, rcon: RconServer) -> None:
    world(idle_daemon)
    minecraft(idle_daemon, rcon)
    rcon.answers["save-all flush"] = "Das Spiel wurde gespeichert"
    idle_daemon.start()
    result, _ = packed(idle_daemon)
    assert result.consistency is Consistency.QUIESCED


def test_a_server_started_anew_meanwhile_was_not_still(idle_daemon: Daemon, rcon: RconServer) -> None:
    world(idle_daemon)
    minecraft(idle_daemon, rcon)
    rcon.on = lambda told: setattr(rcon, "saving", rcon.saving or told == "save-on")
    idle_daemon.start()
    result, _ = packed(idle_daemon)
    assert rcon.told == HELD_ONCE
    assert result.consistency is Consistency.LIVE
    assert goes_on(idle_daemon, rcon)


def test_a_stopped_server_is_not_asked_anything(idle_daemon: Daemon, rcon: RconServer) -> None:
    world(idle_daemon)
    minecraft(idle_daemon, rcon, running_command=["false"])
    idle_daemon.start()
    result, _ = packed(idle_daemon)
    assert result.consistency is Consistency.STOPPED
    assert rcon.told == []
