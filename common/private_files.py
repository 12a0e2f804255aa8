"""Files that only their owner reads: secrets, logins. Written whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import NamedTemporaryFile


def private_write(path: Path, text: str) -> None:
    """Put `text` into `path`, mode 0600, by rename, so that no reader sees half of it.

    Its folder is created with mode 0700.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Temporary files are made with mode 0600.
    with NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", encoding="utf-8", delete=False) as file:
        file.write(text)
    Path(file.name).replace(path)


def private_keep(path: Path, make: Callable[[], str]) -> str:
    """The text of `path`; generated at the first call."""
    if not path.exists():
        private_write(path, make())
    return path.read_text(encoding="utf-8").strip()
