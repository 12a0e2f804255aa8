"""A mistake in the configuration stops the daemon with one line that names it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sidecar.config import config_read
from sidecar.errors import StartError
from tests.sidecar_daemon.daemon import PROJECT, Daemon

SECRET = "s3cret-s3cret-s3cret"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"data_root": None}, "'data_root' is missing"),
        ({"listen": None}, "'listen' is missing"),
        ({"workers": 4}, "unknown key 'workers'"),
        ({"data_root": "/nowhere/at/all"}, "data_root is not an existing folder"),
        ({"data_root": "relative"}, "data_root must be an absolute path"),
        ({"data_root": 7}, "data_root must be an absolute path"),
        ({"scratch": "relative"}, "scratch must be an absolute path"),
        ({"listen": "0.0.0.0:7331"}, "listen must be a loopback address"),
        ({"listen": "[::]:7331"}, "listen must be a loopback address"),
        ({"listen": "192.0.2.1:7331"}, "listen must be a loopback address"),
        ({"listen": "localhost:7331"}, "listen must be like"),
        ({"listen": "127.0.0.1"}, "listen must be like"),
        ({"listen": "127.0.0.1:http"}, "listen must end in a port"),
        ({"listen": "127.0.0.1:65536"}, "listen must end in a port"),
        ({"listen": 7331}, "listen must be like"),
        ({"listen": "unix:relative"}, "listen must be an absolute path"),
        ({"listen": "unix:/nowhere/at/all"}, "listen must name a socket in an existing folder"),
        ({"listen": "unix:/" + "s" * 107}, "listen must name a socket of at most 107 bytes"),
        ({"token_file": "/nowhere/at/all"}, "token_file cannot be read"),
        ({"follow_links_into": "/srv"}, "follow_links_into must be a list"),
        ({"follow_links_into": ["worlds"]}, "follow_links_into must be an absolute path"),
        ({"follow_links_into": ["/nowhere/at/all"]}, "follow_links_into must contain existing folders only"),
        ({"follow_links_into": ["/"]}, "follow_links_into must not contain the root folder"),
        ({"drain_seconds": "ten"}, "drain_seconds must be a number"),
        ({"drain_seconds": True}, "drain_seconds must be a number"),
        ({"read_bytes_a_second": "fast"}, "read_bytes_a_second must be a number of bytes"),
        ({"read_bytes_a_second": True}, "read_bytes_a_second must be a number of bytes"),
        ({"read_bytes_a_second": 1000}, "read_bytes_a_second must be a number of bytes"),
        ({"drain_seconds": -1}, "drain_seconds must be a number"),
        ({"volumes": 7}, "volumes must be an absolute path"),
        ({"volumes": "volumes"}, "volumes must be an absolute path"),
        ({"volumes": "/nowhere/at/all"}, "volumes is not an existing folder"),
        ({"volumes": "/tmp"}, "volumes must not be writable by others"),  # noqa: S108  # everybody's folder
    ],
)
def test_a_mistake_is_named(idle_daemon: Daemon, changes: dict[str, object], named: str) -> None:
    config = idle_daemon.write_config(**changes)
    with pytest.raises(StartError, match=r"^[^\n]*$") as mistake:
        config_read(config)
    assert named in str(mistake.value)
    assert str(config) in str(mistake.value)


@pytest.mark.parametrize("scratch", ["world/scratch", "world", "."])
def test_scratch_never_lies_on_the_customers_data_nor_around_it(idle_daemon: Daemon, scratch: str) -> None:
    config = idle_daemon.write_config(scratch=str(idle_daemon.folder / scratch))
    with pytest.raises(StartError, match="must not lie in each other"):
        config_read(config)


@pytest.mark.parametrize(
    "roots", [["world"], ["world/sub"], ["scratch"], ["."], ["worlds", "worlds"], ["worlds", "worlds/sub"], ["link"]]
)
def test_links_never_lead_to_data_scratch_or_twice_to_one_root(idle_daemon: Daemon, roots: list[str]) -> None:
    for folder in ("world/sub", "worlds/sub", "scratch"):
        (idle_daemon.folder / folder).mkdir(parents=True, exist_ok=True)
    (idle_daemon.folder / "link").symlink_to("world")
    config = idle_daemon.write_config(follow_links_into=[str(idle_daemon.folder / root) for root in roots])
    with pytest.raises(StartError, match="follow_links_into must not overlap"):
        config_read(config)


def test_roots_of_links_are_read(idle_daemon: Daemon) -> None:
    roots = [idle_daemon.folder / name for name in ("one", "two")]
    for root in roots:
        root.mkdir()
    config = idle_daemon.write_config(follow_links_into=[str(root) for root in roots])
    assert config_read(config).follow_links_into == tuple(roots)


@pytest.mark.parametrize("volumes", ["world", "world/sub", "scratch", "links", "links/sub", "link", "."])
def test_volumes_lie_outside_of_everything_else(idle_daemon: Daemon, volumes: str) -> None:
    for folder in ("world/sub", "links/sub", "scratch"):
        (idle_daemon.folder / folder).mkdir(parents=True, exist_ok=True)
    (idle_daemon.folder / "link").symlink_to("world")
    config = idle_daemon.write_config(
        volumes=str(idle_daemon.folder / volumes), follow_links_into=[str(idle_daemon.folder / "links")]
    )
    with pytest.raises(StartError, match="volumes must not overlap"):
        config_read(config)


def test_folder_of_volumes_is_read_and_is_optional(idle_daemon: Daemon) -> None:
    folder = idle_daemon.folder / "volumes"
    folder.mkdir()
    assert config_read(idle_daemon.write_config(volumes=str(folder))).volumes == folder
    assert config_read(idle_daemon.write_config(volumes=None)).volumes is None


def test_a_link_does_not_hide_that_scratch_lies_on_the_data(idle_daemon: Daemon) -> None:
    (idle_daemon.folder / "link").symlink_to(idle_daemon.world)
    config = idle_daemon.write_config(scratch=str(idle_daemon.folder / "link" / "scratch"))
    with pytest.raises(StartError, match="must not lie in each other"):
        config_read(config)


@pytest.mark.parametrize(
    ("content", "mode", "named"),
    [
        (SECRET.encode(), 0o640, "accessible to its owner only"),
        (SECRET.encode(), 0o604, "accessible to its owner only"),
        (b"short", 0o600, "at least 16 characters"),
        (b"", 0o600, "at least 16 characters"),
        (b"two secrets: s3cret-s3cret", 0o600, "without spaces"),
        (b"s3cret-s3cret\ns3cret", 0o600, "one secret"),
        (b"s3cret-s3cret-s3cret\xff", 0o600, "ASCII"),
    ],
)
def test_a_token_file_must_hold_one_secret_for_its_owner_only(
    idle_daemon: Daemon, content: bytes, mode: int, named: str
) -> None:
    token_file = idle_daemon.folder / "another token"
    token_file.write_bytes(content)
    token_file.chmod(mode)
    config = idle_daemon.write_config(token_file=str(token_file))
    with pytest.raises(StartError, match=named) as mistake:
        config_read(config)
    assert "s3cret" not in str(mistake.value)


def test_a_configuration_that_is_no_toml_or_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken").write_text("data_root = \n")
    with pytest.raises(StartError, match="is not TOML"):
        config_read(tmp_path / "broken")
    with pytest.raises(StartError, match="No such file"):
        config_read(tmp_path / "missing")


def failed_start(daemon: Daemon) -> str:
    """The single line of output with which the program ended."""
    ended = subprocess.run(
        [sys.executable, "-m", "sidecar", *daemon.arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=PROJECT,
    )
    assert ended.returncode == 2
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    return line


@pytest.mark.processes
def test_the_program_ends_with_one_line_and_code_2(idle_daemon: Daemon) -> None:
    idle_daemon.write_config(workers=4)
    assert "unknown key 'workers'" in failed_start(idle_daemon)


@pytest.mark.processes
def test_an_address_in_use_is_named(idle_daemon: Daemon) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        idle_daemon.write_config(listen=address)
        assert f"cannot listen on {address}" in failed_start(idle_daemon)


@pytest.mark.processes
def test_two_daemons_cannot_share_a_scratch_folder(daemon: Daemon) -> None:
    assert "another sidecar uses" in failed_start(daemon)
    with daemon.client() as client:
        assert client.describe().version


@pytest.mark.processes
def test_two_daemons_cannot_share_a_socket(idle_daemon: Daemon, tmp_path: Path) -> None:
    idle_daemon.listen = f"unix:{idle_daemon.folder}/socket"
    idle_daemon.start()
    second = Daemon(tmp_path / "second", listen=idle_daemon.listen)
    second.folder.mkdir()
    second.write_config()
    assert "cannot listen on" in failed_start(second)
    with idle_daemon.client() as client:
        assert client.describe().version


@pytest.mark.processes
def test_socket_of_a_killed_daemon_is_replaced_and_private_to_its_owner(idle_daemon: Daemon) -> None:
    idle_daemon.listen = f"unix:{idle_daemon.folder}/socket"
    idle_daemon.start()
    idle_daemon.kill()
    idle_daemon.start()
    assert (idle_daemon.folder / "socket").stat().st_mode & 0o777 == 0o600
    with idle_daemon.client() as client:
        assert client.describe().version


@pytest.mark.processes
def test_scratch_is_created_for_its_owner_only_and_swept_at_each_start(idle_daemon: Daemon) -> None:
    idle_daemon.start()
    assert idle_daemon.scratch.stat().st_mode & 0o777 == 0o700
    assert idle_daemon.stop() == 0
    for left in ("files/whole", "partial/part"):
        (idle_daemon.scratch / left).write_bytes(b"left")
    idle_daemon.start()
    assert idle_daemon.left_in_scratch() == []


@pytest.mark.processes
def test_a_scratch_folder_that_others_can_write_to_is_refused(idle_daemon: Daemon) -> None:
    idle_daemon.scratch.mkdir()
    idle_daemon.scratch.chmod(0o777)
    idle_daemon.write_config()
    assert "must not be writable by others" in failed_start(idle_daemon)


@pytest.mark.processes
def test_damaged_fences_stop_the_start(idle_daemon: Daemon) -> None:
    idle_daemon.start()
    idle_daemon.kill()
    for damage in ("{", "[]", '{"operation": "1"}'):
        (idle_daemon.scratch / "fences.json").write_text(damage)
        assert "is damaged" in failed_start(idle_daemon)
    shutil.rmtree(idle_daemon.scratch)
    idle_daemon.start()


def test_the_console_script_is_the_same_daemon() -> None:
    program = Path(sys.executable).parent / "savepoint-sidecar"
    done = subprocess.run([program, "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: savepoint-sidecar")
