"""The Source RCON protocol in the dialect of Minecraft's server.

A packet: size, id, kind (32 bits each, little-endian; the size counts what follows it), text, two zero bytes.
"""

import socket
import struct
import time
from types import TracebackType
from typing import Final, Self

from sidecar.game.errors import GameError, GameUnreachable

_HEAD: Final = struct.Struct("<iii")
_SIZE: Final = struct.Struct("<i")
_LOGIN: Final = 3
_COMMAND: Final = 2
_ANSWER: Final = 0
_REFUSED_ID: Final = -1
_TAIL: Final = b"\0\0"
_IDS_BYTES: Final = 8
_EMPTY_BYTES: Final = _IDS_BYTES + len(_TAIL)
# The server splits an answer into parts of this many characters; a shorter part is the last.
_PART_CHARACTERS: Final = 4096
_PACKET_BYTES: Final = 4 * _PART_CHARACTERS + _EMPTY_BYTES
_PARTS_MAX: Final = 64
# The server rejects longer packets.
_COMMAND_BYTES: Final = 1446


class Rcon:
    """One session, inside a `with`. Every method raises GameError, whose message never holds the password."""

    def __init__(self, address: tuple[str, int], *, password: str, timeout: float) -> None:
        """Connect and log in, each within `timeout` seconds. Raises GameUnreachable when no server listens."""
        self._timeout = timeout
        self._id = 1
        try:
            self._socket = socket.create_connection(address, timeout)
        except OSError as error:
            raise GameUnreachable(f"RCON cannot be reached: {_reason(error)}") from error
        except ValueError as error:
            raise GameUnreachable("RCON cannot be reached: its host has no valid name") from error
        try:
            self._log_in(password)
        except BaseException:
            self._socket.close()
            raise

    def command(self, text: str) -> str:
        """Run a command on the server and return its whole answer, which may take `timeout` seconds."""
        deadline = time.monotonic() + self._timeout
        own = self._send(_COMMAND, text)
        got, answer = self._receive(deadline)
        if got != own:
            raise GameError("RCON sent an unexpected answer")
        if len(answer) < _PART_CHARACTERS:
            return answer.decode("utf-8", "replace")
        # The answer may have more parts. A packet of an unknown kind is answered after all of them. It must not be sent
        # together with the command: the server would read the two as one packet.
        end = self._send(_ANSWER, "")
        for _ in range(_PARTS_MAX):
            got, part = self._receive(deadline)
            if got == end:
                return answer.decode("utf-8", "replace")
            if got != own:
                raise GameError("RCON sent an unexpected answer")
            answer += part
        raise GameError("RCON's answer has no end")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def _log_in(self, password: str) -> None:
        deadline = time.monotonic() + self._timeout
        own = self._send(_LOGIN, password)
        got, _ = self._receive(deadline)
        if got == own:
            return
        raise GameError("RCON refuses the password" if got == _REFUSED_ID else "RCON sent an unexpected answer")

    def _send(self, kind: int, text: str) -> int:
        """Send a packet and return its id."""
        body = text.encode()
        if len(body) > _COMMAND_BYTES:
            raise GameError("the text is too long for RCON")
        self._id += 1
        try:
            self._socket.settimeout(self._timeout)
            self._socket.sendall(_HEAD.pack(len(body) + _EMPTY_BYTES, self._id, kind) + body + _TAIL)
        except OSError as error:
            raise GameError(f"RCON broke off: {_reason(error)}") from error
        return self._id

    def _receive(self, deadline: float) -> tuple[int, bytes]:
        """The next packet's id and text."""
        (size,) = _SIZE.unpack(self._read(_SIZE.size, deadline))
        if not _EMPTY_BYTES <= size <= _PACKET_BYTES:
            raise GameError("RCON sent an invalid packet")
        packet = self._read(size, deadline)
        if not packet.endswith(_TAIL):
            raise GameError("RCON sent an invalid packet")
        (got,) = _SIZE.unpack_from(packet)
        return got, packet[_IDS_BYTES : -len(_TAIL)]

    def _read(self, size: int, deadline: float) -> bytes:
        data = b""
        while len(data) < size:
            left = deadline - time.monotonic()
            if left <= 0:
                raise GameError(f"RCON did not answer within {self._timeout:g} s")
            try:
                self._socket.settimeout(left)
                part = self._socket.recv(size - len(data))
            except OSError as error:
                raise GameError(f"RCON broke off: {_reason(error)}") from error
            if not part:
                raise GameError("RCON broke off")
            data += part
        return data


def _reason(error: OSError) -> str:
    return "timed out" if isinstance(error, TimeoutError) else error.strerror or "unknown reason"
