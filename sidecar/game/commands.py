"""The operator's commands: run without a shell, in sessions of their own, with a timeout."""

import logging
import os
import shlex
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from typing import IO, Final

from sidecar.game.errors import GameError
from sidecar.game.settings import Argv

_log = logging.getLogger("sidecar")

_OUTPUT_BYTES: Final = 2000
# A program inherits only these variables of the daemon's environment.
_INHERITED: Final = ("PATH", "HOME", "LANG", "USER", "XDG_RUNTIME_DIR")
# The daemon blocks SIGTERM and SIGINT. A server started by a command would inherit that and ignore them: unblock.
_RELEASED: Final = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_SETMASK, ())
try:
    os.execvp(sys.argv[1], sys.argv[1:])
except OSError as error:
    print(error.strerror, file=sys.stderr, flush=True)
    os._exit(127)
"""
_PIPE_SECONDS: Final = 1.0


def command_run(argv: Argv, *, timeout: float, detaching: bool = False, quietly: bool = False) -> int:
    """Run a command to its end and return its exit code, as in a shell: 127 for a missing program; negative for a
    signal. If the code is not 0, the beginning of its output is logged, unless `quietly`.

    `detaching`: the command leaves a process behind. Its output is discarded, as a pipe would break under that process.
    Raises GameError when the command cannot be run, or exceeds `timeout` seconds: it is then killed with its children.
    """
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    try:
        process = subprocess.Popen(
            (sys.executable, "-ISc", _RELEASED, *argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if detaching else subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        raise GameError(f"{argv[0]} cannot be run: {error.strerror}") from error
    output = _Output(process.stdout)
    try:
        code = process.wait(timeout)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise GameError(f"{argv[0]} took longer than {timeout:g} s and was killed{output.shown()}") from None
    if code != 0 and not quietly:
        _log.info("%s ended with %d%s", shlex.quote(argv[0]), code, output.shown())
    return code


class _Output:
    """The first bytes of a program's output; the rest is discarded, also that of children it leaves behind."""

    def __init__(self, pipe: IO[bytes] | None) -> None:
        self._kept = b""
        self._thread = threading.Thread(target=self._drain, args=(pipe,), name="command output", daemon=True)
        self._thread.start()

    def shown(self) -> str:
        self._thread.join(_PIPE_SECONDS)
        text = self._kept.decode("utf-8", "replace").strip()
        return f": {text!r}" if text else ""

    def _drain(self, pipe: IO[bytes] | None) -> None:
        if pipe is None:
            return
        with pipe:
            while data := os.read(pipe.fileno(), 1 << 16):
                self._kept += data[: _OUTPUT_BYTES - len(self._kept)]
