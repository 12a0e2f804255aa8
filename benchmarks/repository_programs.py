"""Backup programs with a repository, ours among them, each run as a whole process from its start to its exit.

The peers run with the settings they come with, and encrypted, as ours always is. Cache and temporary files are in a
folder of the tool's own beside its repository, so on the medium that is measured.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.figures import US
from benchmarks.peers import Cost, command_run

CHECKOUT = Path(__file__).resolve().parent.parent
PASSWORD = "a password for what is measured"  # noqa: S105  # the repository holds generated files and is deleted again
RESTIC_ENVIRONMENT = {
    "RESTIC_REPOSITORY": "{repository}",
    "RESTIC_CACHE_DIR": "{cache}",
    "RESTIC_PASSWORD": PASSWORD,
}


@dataclass(frozen=True, slots=True)
class Program:
    """How a backup program is called: command lines and environment, with places in braces.

    `{number}` counts the snapshots; a snapshot is made in the folder that is kept, a restore in its target, which is
    empty or, for `restores_live`, a live tree.
    """

    name: str
    executable: str
    snapshot: str
    restore: str
    create: str | None = None
    """None if the first snapshot does it."""
    restores_live: Mapping[str, str] = field(default_factory=dict)
    """By the metric's name; none for a program that restores into empty folders only."""
    leaves_extra: bool = False
    """On a live tree it leaves files that the snapshot does not have."""
    keeps_exactly: bool = True
    """It brings links and times back as they were."""
    accepted: Sequence[int] = (0,)
    """Exit statuses of success, with or without warnings."""
    environment: Mapping[str, str] = field(default_factory=dict)

    def path(self) -> str | None:
        """The path of the executable: from the environment under its name (`RESTIC=/opt/restic`), else from PATH."""
        return shutil.which(os.environ.get(self.executable.upper(), self.executable))

    def version(self) -> str:
        """Its name and version, as it reports them."""
        return _said(str(self.path()), "--version") or _said(str(self.path()), "version")


SAVEPOINT = Program(
    US,
    executable=sys.executable,
    create="-m benchmarks.repository_ours create {repository}",
    snapshot="-m benchmarks.repository_ours snapshot {repository} {cache} .",
    restore="-m benchmarks.repository_ours restore {repository} {cache} .",
    restores_live={
        "delta_restore": "-m benchmarks.repository_ours restore {repository} {cache} .",
        "delta_restore_by_times": "-m benchmarks.repository_ours restore_by_times {repository} {cache} .",
    },
    environment={"PYTHONPATH": str(CHECKOUT)},
)

PEERS = (
    Program(
        "restic",
        executable="restic",
        create="init --quiet",
        snapshot="backup --quiet .",
        restore="restore --quiet latest --target .",
        restores_live={
            "delta_restore": "restore --quiet latest --target . --delete",
            "delta_restore_by_times": "restore --quiet latest --target . --delete --overwrite if-changed",
        },
        environment=RESTIC_ENVIRONMENT,
    ),
    Program(
        "restic_uncompressed",
        executable="restic",
        create="init --quiet",
        snapshot="backup --quiet --compression off .",
        restore="restore --quiet latest --target .",
        environment=RESTIC_ENVIRONMENT,
    ),
    Program(
        "borg",
        executable="borg",
        create="init --encryption repokey-blake2",
        snapshot="create ::{number} .",
        restore="extract ::{number}",
        restores_live={"delta_restore": "extract ::{number}"},
        leaves_extra=True,
        accepted=(0, 1),
        environment={"BORG_REPO": "{repository}", "BORG_BASE_DIR": "{cache}", "BORG_PASSPHRASE": PASSWORD},
    ),
    Program(
        "duplicity",
        executable="duplicity",
        snapshot="--archive-dir {cache} . file://{repository}",
        restore="restore --archive-dir {cache} --force file://{repository} .",
        keeps_exactly=False,
        environment={"PASSPHRASE": PASSWORD, "GNUPGHOME": "{cache}"},
    ),
)


class Tool:
    """A program with a repository of its own, both below `place`."""

    def __init__(self, program: Program, place: Path) -> None:
        self.program, self.name = program, program.name
        self._place = place
        self._number = 0
        self.repository = place / "repository"
        for folder in (place, self.repository, place / "cache", place / "temporary"):
            folder.mkdir(mode=0o700)
        if program.create:
            self._run(program.create, place)

    def snapshot(self, source: Path) -> Cost:
        """Make a snapshot of a folder."""
        self._number += 1
        return self._run(self.program.snapshot, source)

    def restore(self, target: Path, live: str | None = None) -> Cost:
        """Bring the last snapshot back into a folder: an empty one, or a live tree as `restores_live` names it.

        It took as long as it takes until all is on the disk, whether or not the program waits for that.
        """
        cost = self._run(self.program.restores_live[live] if live else self.program.restore, target)
        began = time.perf_counter()
        subprocess.run(["sync", "--file-system", target], check=True)
        return replace(cost, seconds=cost.seconds + time.perf_counter() - began)

    def run(self, line: str, folder: Path) -> Cost:
        """Run another command of the program in a folder."""
        return self._run(line, folder)

    def resident_seconds(self) -> float | None:
        """The seconds of the last run without the start of the process, if the program reports them."""
        said = self._place / "cache" / "seconds"
        return float(said.read_text()) if said.exists() else None

    def stored_bytes(self) -> int:
        """The bytes of its repository."""
        return sum(path.stat().st_size for path in self.repository.rglob("*") if path.is_file())

    def delete(self) -> None:
        """Take all of it away."""
        shutil.rmtree(self._place)

    def _run(self, line: str, folder: Path) -> Cost:
        places = {
            "repository": str(self.repository),
            "cache": str(self._place / "cache"),
            "number": str(self._number),
        }
        environment = {name: value.format(**places) for name, value in self.program.environment.items()}
        common = {"PATH": os.environ["PATH"], "HOME": str(self._place), "TMPDIR": str(self._place / "temporary")}
        command = [str(self.program.path()), *(word.format(**places) for word in line.split())]
        return command_run(
            command, folder=folder, environment={**common, **environment}, accepted=self.program.accepted
        )


def programs_installed() -> tuple[list[Program], list[str]]:
    """The peers this machine has, and the names of those that it lacks."""
    here = [program for program in PEERS if program.path()]
    missing = [program.name for program in PEERS if program not in here]
    return [_as_installed(program) for program in here], missing


def _as_installed(program: Program) -> Program:
    """Without features that the installed version lacks: restic before 0.17 stops at a link that a tree already has."""
    if program.name == "restic" and "--overwrite" not in _said(str(program.path()), "restore", "--help"):
        return replace(program, restores_live={})
    return program


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
