"""The `user.*` extended attributes of open files and folders."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_USER: Final = "user."
# Linux allows a file far more attributes than a record of the manifest can hold.
_SIZE_MAX: Final = 1 << 20
_NONE: Final = frozenset({errno.EOPNOTSUPP, errno.ENOSYS})


def attributes_of(fd: int) -> dict[bytes, bytes]:
    """The attributes; none on a file system without any. Raises OSError, E2BIG for more than 1 MiB."""
    found, size = {}, 0
    try:
        for name in os.listxattr(fd):
            if name.startswith(_USER):
                with missing_suppressed():
                    found[os.fsencode(name)] = content = os.getxattr(fd, name)
                    size += len(content)
            if size > _SIZE_MAX:
                raise OSError(errno.E2BIG, os.strerror(errno.E2BIG))
    except OSError as error:
        if error.errno not in _NONE:
            raise
    return found


@contextmanager
def missing_suppressed() -> Iterator[None]:
    """Ignore ENODATA: an attribute may be removed after it was listed."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENODATA:
            raise
