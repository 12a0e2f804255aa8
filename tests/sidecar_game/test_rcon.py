"""RCON as the server speaks it, and as a broken server does."""

from __future__ import annotations

import time

import pytest

from sidecar.game.errors import GameError, GameUnreachable
from sidecar.game.rcon import Rcon
from tests.sidecar_game.rcon_server import COMMAND, PART, PASSWORD, RconServer, packet


def session(server: RconServer, *, password: str = PASSWORD, timeout: float = 10.0) -> Rcon:
    return Rcon(server.address, password=password, timeout=timeout)


def test_commands_are_answered_one_after_the_other(rcon: RconServer) -> None:
    with session(rcon) as opened:
        assert opened.command("save-off") == "Automatic saving is now disabled"
        assert opened.command("save-all flush").endswith("Saved the game")
        assert opened.command("save-on") == "Automatic saving is now enabled"
    assert rcon.told == ["save-off", "save-all flush", "save-on"]


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 2 * PART, 5 * PART + 7])
def test_answer_of_any_length_comes_whole_and_separate_from_the_next(rcon: RconServer, size: int) -> None:
    rcon.answers["list"] = "".join(chr(ord("a") + number % 26) for number in range(size))
    with session(rcon) as opened:
        assert opened.command("list") == rcon.answers["list"]
        assert opened.command("save-off") == "Automatic saving is now disabled"


def test_a_letter_that_is_cut_in_two_comes_whole(rcon: RconServer) -> None:
    rcon.answers["list"] = "x" + "ä" * PART
    with session(rcon) as opened:
        assert opened.command("list") == rcon.answers["list"]


def test_wrong_password_is_reported_without_its_text(rcon: RconServer) -> None:
    with pytest.raises(GameError, match="refuses the password") as refused:
        session(rcon, password="another-s3cret")
    assert "s3cret" not in str(refused.value)


def test_refused_connection_is_distinct_from_other_errors(rcon: RconServer) -> None:
    rcon.close()
    with pytest.raises(GameUnreachable):
        session(rcon)


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        (b"", "broke off"),
        (b"\x0c\0\0", "broke off"),
        (packet(3, 0, b"half an answer")[:-5], "broke off"),
        (b"\0" * 14, "invalid packet"),
        (b"\xff" * 14, "invalid packet"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "invalid packet"),
        ((2**30).to_bytes(4, "little") + bytes(100), "invalid packet"),
        (packet(3, 0, b"no end")[:-2] + b"xx", "invalid packet"),
        (packet(77, 0, b"to somebody else"), "unexpected answer"),
        (b"".join([packet(3, 0, b"x" * PART)] * 100), "no end"),
        (packet(3, 0, b"x" * PART) + packet(77, 0, b"to somebody else"), "unexpected answer"),
    ],
)
def test_an_answer_that_is_none_is_an_error(rcon: RconServer, raw: bytes, named: str) -> None:
    rcon.raw["list"] = raw
    with session(rcon) as opened, pytest.raises(GameError, match=named):
        opened.command("list")


@pytest.mark.parametrize("at", ["login", "list"])
@pytest.mark.parametrize("way", ["silent", "dripping"])
def test_no_answer_is_waited_for_no_longer_than_told(rcon: RconServer, at: str, way: str) -> None:
    getattr(rcon, way).add(at)
    began = time.monotonic()
    with pytest.raises(GameError, match=r"did not answer|timed out"), session(rcon, timeout=0.3) as opened:
        opened.command("list")
    assert 0.3 <= time.monotonic() - began < 5


def test_a_login_answered_by_something_else_is_an_error(rcon: RconServer) -> None:
    rcon.raw["login"] = packet(9, COMMAND, b"")
    with pytest.raises(GameError, match="unexpected answer"):
        session(rcon)


def test_a_command_longer_than_the_server_reads_is_not_sent(rcon: RconServer) -> None:
    with session(rcon) as opened, pytest.raises(GameError, match="too long"):
        opened.command("x" * 1447)
    assert rcon.told == []
