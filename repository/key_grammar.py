"""The grammar of object keys: every target accepts them, so that objects can move between targets."""

import re

KEY_LENGTH_MAX = 512
UUID_PATTERN = r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
"""A UUID in a key, as one group of a regular expression."""
_SEGMENT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")


def segment_is_valid(segment: str) -> bool:
    """Whether this may stand between two slashes of a key. Hidden names are reserved for the targets."""
    return _SEGMENT.fullmatch(segment) is not None


def key_is_valid(key: str) -> bool:
    """Whether this is a relative path of `[A-Za-z0-9._-]` segments, none of them empty or hidden."""
    return 0 < len(key) <= KEY_LENGTH_MAX and all(segment_is_valid(segment) for segment in key.split("/"))


def key_checked(key: str) -> str:
    """Return a valid key; raises ValueError for any other (the caller's mistake, never a failure of the storage)."""
    if not key_is_valid(key):
        raise ValueError("not an object key")
    return key


def prefix_checked(prefix: str) -> str:
    """Return a valid prefix, of whole segments or not; raises ValueError when no key can begin with it."""
    *folders, begun = prefix.split("/")
    if not all(map(segment_is_valid, folders)) or (begun and not segment_is_valid(begun)):
        raise ValueError("not the beginning of an object key")
    return prefix
