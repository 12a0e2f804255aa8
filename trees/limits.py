"""The largest tree of files that is backed up and restored, and what a volume says that has no room for it."""

from __future__ import annotations

import errno

ENTRIES_MAX = 200_000_000  # more than any volume we pack holds
CONTENT_BYTES_MAX = 4096 << 30
# A backup leaves out, with a warning, what lies deeper or has a longer path: a restore would refuse all of it.
DEPTH_MAX = 4096  # names in a path
PATH_BYTES_MAX = 256 << 10

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
