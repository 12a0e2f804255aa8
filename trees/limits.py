"""The limits of a tree that is backed up and restored, and the errors of a full volume."""

from __future__ import annotations

import errno

ENTRIES_MAX = 200_000_000  # more than any volume we pack holds
CONTENT_BYTES_MAX = 4096 << 30
# A backup leaves out deeper and longer paths, with a warning: a restore would refuse the whole backup.
DEPTH_MAX = 4096  # names in a path
PATH_BYTES_MAX = 256 << 10

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
