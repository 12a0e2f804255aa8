"""The limit on open files of this process."""

from __future__ import annotations

import resource
from typing import Final

_WANTED: Final = 32_768


def descriptors_raise() -> None:
    """Raise the limit, which is 1024 for most services, as far as this process is allowed to."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED if hard == resource.RLIM_INFINITY else min(_WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def descriptors_limit() -> int:
    """The limit, but at most the number that `descriptors_raise` asks for."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _WANTED if soft == resource.RLIM_INFINITY else min(soft, _WANTED)
