"""The place of the backups: the folder or bucket that the command line names."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from opener.errors import Cannot
from repository.storage import Storage
from targets.local import LocalStorage


def place_open(arguments: Namespace) -> Storage:
    """The storage; opens no connection yet. Raises `Cannot`."""
    if arguments.folder is None:
        # Importing boto3 would take half of the command's start, and a folder needs none of it.
        from opener.buckets import bucket_open

        return bucket_open(arguments)
    folder = Path(arguments.folder)
    if not folder.is_dir():
        raise Cannot(f"there is no folder {arguments.folder}")
    return LocalStorage(folder)
