"""The output on a terminal."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from opener import output
from opener.output import Progress, file_appears, shown, size_shown
from repository.sealing.frames import SealError


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (1_066_000_000, "1.1 GB"), (2 * 10**18, "2000.0 PB")],
)
def test_sizes_are_for_people(size: int, text: str) -> None:
    assert size_shown(size) == text


def test_a_terminal_obeys_nothing_that_a_customer_wrote() -> None:
    assert shown("Überleben \x1b]0;x\x07\n\u202e") == "Überleben \\x1b]0;x\\x07\\n\\u202e"
    assert shown(b"odd \xff".decode(errors="surrogateescape")) == "odd \\udcff"


def test_progress_is_one_line_that_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setattr(output, "_TICK_SECONDS", 1e-9)
    progress = Progress("extract", 4000)
    progress.add(1000)
    progress.add(1000)
    progress.close()
    assert "extract: 2.0 kB of 4.0 kB, " in terminal.getvalue()
    assert "\n" not in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_without_a_terminal_there_is_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = io.StringIO()
    monkeypatch.setattr("sys.stderr", pipe)
    monkeypatch.setattr(output, "_TICK_SECONDS", 1e-9)
    progress = Progress("extract", None)
    progress.add(1000)
    progress.close()
    assert pipe.getvalue() == ""


@pytest.mark.parametrize("name", ["界" * 84, "x" * 251, "🗺" * 62])
def test_file_with_the_longest_name_is_written(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    with file_appears(path, force=False, size=0, keep_damaged=True) as file:
        file.write(b"whole")
    assert path.read_bytes() == b"whole"
    with pytest.raises(SealError), file_appears(path, force=True, size=0, keep_damaged=True):
        raise SealError("damaged")
    (damaged,) = (other.name for other in tmp_path.iterdir() if other != path)
    assert damaged.endswith(".damaged")
    assert name.startswith(damaged.removesuffix(".damaged"))
