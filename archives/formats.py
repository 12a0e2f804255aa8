"""The formats of archives."""

from enum import StrEnum


class ArchiveFormat(StrEnum):
    """A format, by the end of its file's name."""

    TAR_GZ = "tar.gz"
    TAR_ZST = "tar.zst"
    ZIP = "zip"
