"""A mistake in the table `[game]` stops the daemon with one line that names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.config import config_read
from sidecar.errors import StartError
from sidecar.game.profiles import profile_of
from sidecar.game.settings import game_read
from tests.sidecar_daemon.daemon import Daemon

RCON = {"profile": "minecraft-java", "rcon": "127.0.0.1:25575", "rcon_password_file": "{folder}/password"}
GENERIC = {"profile": "generic", "quiesce_command": ["true"], "resume_command": ["true"]}
CONTROL = {"stop_command": ["true"], "start_command": ["true"], "running_command": ["true"]}


def filled(value: object, folder: Path) -> object:
    return value.replace("{folder}", str(folder)) if isinstance(value, str) else value


@pytest.fixture
def daemon(tmp_path: Path) -> Daemon:
    password = tmp_path / "password"
    password.write_text("rcon-s3cret\n")
    password.chmod(0o600)
    return Daemon(tmp_path)


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ({"profile": "valheim"}, "game profile must be one of 'none', 'generic', 'minecraft-java'"),
        ({"profile": ["none"]}, "game profile must be one of"),
        ({"profile": "none", "rcom": "x"}, "game has the unknown key 'rcom'"),
        ({"rcon": "127.0.0.1:1"}, "game rcon is not for the profile 'none'"),
        ({**GENERIC, "rcon": "127.0.0.1:1"}, "game rcon is not for the profile 'generic'"),
        ({**RCON, "quiesce_command": ["true"]}, "game quiesce_command is not for the profile 'minecraft-java'"),
        ({"profile": "minecraft-java"}, "game rcon is missing; the profile 'minecraft-java' needs it"),
        ({**RCON, "rcon_password_file": None}, "game rcon_password_file is missing"),
        ({**RCON, "rcon_password_file": "{folder}/nowhere"}, "game rcon_password_file cannot be read"),
        ({**RCON, "rcon_password_file": "password"}, "game rcon_password_file must be an absolute path"),
        ({**RCON, "rcon": "25575"}, "game rcon must be like"),
        ({**RCON, "rcon": 25575}, "game rcon must be like"),
        ({**RCON, "rcon": ":25575"}, "game rcon must be like"),
        ({**RCON, "rcon": "127.0.0.1:0"}, "game rcon must end in a port"),
        ({**RCON, "rcon": "127.0.0.1:65536"}, "game rcon must end in a port"),
        ({**RCON, "rcon": "127.0.0.1:x"}, "game rcon must end in a port"),
        ({**GENERIC, "resume_command": None}, "game resume_command is missing; quiesce_command needs it"),
        ({**GENERIC, "quiesce_command": None}, "game quiesce_command is missing; resume_command needs it"),
        ({**RCON, **CONTROL, "start_command": None}, "game start_command is missing; stop_command needs it"),
        ({**RCON, **CONTROL, "running_command": None}, "game running_command is missing; stop_command needs it"),
        ({**RCON, **CONTROL, "stop_command": None}, "game stop_command is missing; start_command needs it"),
        ({**GENERIC, "quiesce_command": "sync"}, "game quiesce_command must be a list"),
        ({**GENERIC, "quiesce_command": []}, "game quiesce_command must be a list"),
        ({**GENERIC, "quiesce_command": ["sleep", 1]}, "game quiesce_command must be a list"),
        (
            {**GENERIC, "quiesce_command": ["/nowhere/at/all"]},
            "game quiesce_command must begin with an existing executable program",
        ),
        ({**GENERIC, "timeout_seconds": 0}, "game timeout_seconds must be more than 0"),
        ({**GENERIC, "timeout_seconds": "30"}, "game timeout_seconds must be a number"),
        ({**GENERIC, "quiesce_max_seconds": -1}, "game quiesce_max_seconds must be a number"),
        ({**GENERIC, "stop_seconds": True}, "game stop_seconds must be a number"),
    ],
)
def test_a_mistake_is_named(daemon: Daemon, table: dict[str, object], named: str) -> None:
    daemon.game = {key: filled(value, daemon.folder) for key, value in table.items()}
    config = daemon.write_config()
    with pytest.raises(StartError, match=r"^[^\n]*$") as mistake:
        config_read(config)
    assert named in str(mistake.value)
    assert str(config) in str(mistake.value)
    assert "s3cret" not in str(mistake.value)


def test_game_must_be_a_table(daemon: Daemon) -> None:
    config = daemon.write_config(game="minecraft-java")
    with pytest.raises(StartError, match="game must be a table"):
        config_read(config)


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_password_that_others_can_read_is_refused(daemon: Daemon, mode: int) -> None:
    (daemon.folder / "password").chmod(mode)
    daemon.game = {key: filled(value, daemon.folder) for key, value in RCON.items()}
    with pytest.raises(StartError, match="game rcon_password_file must be accessible to its owner only") as mistake:
        config_read(daemon.write_config())
    assert "s3cret" not in str(mistake.value)


def test_the_password_is_never_shown(daemon: Daemon) -> None:
    daemon.game = {key: filled(value, daemon.folder) for key, value in RCON.items()}
    config = config_read(daemon.write_config())
    assert config.game.rcon_password == "rcon-s3cret"
    assert config.game.rcon == ("127.0.0.1", 25575)
    assert "s3cret" not in repr(config)


@pytest.mark.parametrize(
    ("table", "can_quiesce", "can_stop"),
    [
        ({}, False, False),
        ({"profile": "none", **CONTROL}, False, True),
        ({"profile": "generic"}, False, False),
        ({"profile": "generic", "running_command": ["true"]}, False, False),
        (GENERIC, True, False),
        (GENERIC | CONTROL, True, True),
    ],
)
def test_profile_can_do_what_its_commands_allow(table: dict[str, object], *, can_quiesce: bool, can_stop: bool) -> None:
    profile = profile_of(game_read(table))
    assert (profile.can_quiesce, profile.can_stop) == (can_quiesce, can_stop)
