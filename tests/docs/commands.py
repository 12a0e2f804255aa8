"""Commands in the documentation, checked against the parsers of their programs."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from functools import cache
from itertools import pairwise, takewhile

from django.core.management import get_commands, load_command_class

from config.env import KNOWN
from opener.arguments import arguments_parse
from opener.errors import Cannot
from tests.docs.pages import ROOT

COMMANDS = ("make", "python", "manage.py", "savepoint-open", "savepoint-sidecar", "curl", "pip")
MODULES = ("opener", "pytest", "sidecar", "tests.chaos", "tests.rehearsals.absence")


def command_check(line: str) -> None:
    """Assert that the program, its command and each of its options exist."""
    words = _environment_checked(shlex.split(line))
    if words[0] == "python" and words[1] == "manage.py":
        words = words[1:]
    if words[0] == "make":
        _make(words[1:])
    elif words[0] == "manage.py":
        _manage(words[1], words[2:])
    elif words[0] in ("savepoint-open", "savepoint-sidecar"):
        _program({"savepoint-open": "opener", "savepoint-sidecar": "sidecar"}[words[0]], words[1:])
    elif words[:2] == ["python", "-m"]:
        assert words[2] in MODULES, line
        _program(words[2], words[3:])
    elif words[0] == "rm":
        # With a slash: the folder need not exist.
        ignored = subprocess.run(["git", "check-ignore", "-q", f"{words[-1]}/"], cwd=ROOT, check=False)
        assert ignored.returncode == 0, line
    elif words[:2] == ["pip", "install"]:
        assert (ROOT / "pyproject.toml").exists()
    else:
        raise AssertionError(f"nothing runs {line!r}")


def _environment_checked(words: list[str]) -> list[str]:
    """The words after the leading variables, which must be settings of this project."""
    variables = list(takewhile(lambda word: re.match(r"\w+=", word), words))
    assert {variable.partition("=")[0] for variable in variables} <= KNOWN, words
    return words[len(variables) :]


def _pytest(words: list[str]) -> None:
    """Check that every path and every mark exists, and that a test is selected."""
    options = dict(pairwise(words))
    paths = [word for word in words if word.startswith("tests/")]
    assert all((ROOT / path).exists() for path in paths), words
    marks = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["markers"]
    mark = options.get("-m", "").removeprefix("not ")
    assert not mark or any(found.startswith(f"{mark}:") for found in marks), words
    name = options.get("-k", "")
    assert not name or all(re.search(rf"def test_\w*{name}", (ROOT / path).read_text()) for path in paths), words


def _make(words: list[str]) -> None:
    text = (ROOT / "Makefile").read_text()
    target, *variables = words
    assert re.search(rf"^{re.escape(target)}:", text, re.MULTILINE), f"make {target}"
    for variable in variables:
        name, _, value = variable.partition("=")
        assert f"$({name})" in text or f"[{name}" in text, variable
        if name == "NAME":
            assert (ROOT / "benchmarks" / f"{value}.py").exists(), variable


def _manage(name: str, words: list[str]) -> None:
    app = get_commands().get(name)
    assert app is not None, f"manage.py {name}"
    command = load_command_class(app, name) if isinstance(app, str) else app
    help_text = command.create_parser("manage.py", name).format_help()
    for word in words:
        if word.startswith("-"):
            assert re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", help_text), f"manage.py {name} {word}"
        elif word.islower():
            assert word in help_text, f"manage.py {name} {word}"


def _program(module: str, words: list[str]) -> None:
    if module == "opener":
        options = [word for word in words if not word.startswith("<")]
        if options and options[0] != "--help":
            try:
                # With a place and keys, which the prose omits.
                arguments_parse([*options, "--folder", "/backups", "--master-keys", "-"])
            except Cannot as error:
                raise AssertionError(str(error)) from error
        return
    if module == "pytest":
        _pytest(words)
        return
    if module == "tests.chaos":
        # It has no --help: its first line lists its arguments.
        usage = (ROOT / "tests/chaos/__main__.py").read_text().partition("\n\n")[0]
        assert all(word in usage for word in words), f"python -m {module}"
        return
    text = _help(module, tuple(word for word in words[:1] if word.islower() and not word.startswith("-")))
    for word in words:
        assert not word.startswith("--") or word in text, f"python -m {module} {word}"


@cache
def _help(module: str, words: tuple[str, ...]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", module, *words, "--help"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
