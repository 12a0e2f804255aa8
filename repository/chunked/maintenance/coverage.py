"""The amount of data that a verification reads."""

from __future__ import annotations

from dataclasses import dataclass

from blake3 import blake3


@dataclass(frozen=True, slots=True)
class Coverage:
    """The packs of which the data are read; the structure is always verified.

    The packs are split into `of_days` shares of about equal size, and the share of `day` is read: that many days read
    all of them. `contents` also reassembles every file and compares it with the hashes taken from the source;
    `contents_max`: files chosen by chance, of about so many bytes together.
    """

    day: int = 0
    of_days: int = 0
    contents: bool = False
    contents_max: int | None = None

    @classmethod
    def structure(cls) -> Coverage:
        """No data but those of doubtful packs."""
        return cls()

    @classmethod
    def full(cls) -> Coverage:
        """All data, and the content of every file."""
        return cls(of_days=1, contents=True)

    @classmethod
    def files(cls, most: int | None = None) -> Coverage:
        """The content of every file, or of files chosen by chance of about so many bytes; no data beside them."""
        return cls(contents=True, contents_max=most)

    @classmethod
    def share(cls, day: int, of_days: int) -> Coverage:
        """The share of a day; days count from any origin. Raises ValueError unless there is at least one day."""
        if of_days < 1:
            raise ValueError("a share needs at least one day")
        return cls(day % of_days, of_days)

    def reads(self, pack: bytes) -> bool:
        """Whether the data of this pack are read."""
        return self.of_days > 0 and int.from_bytes(blake3(pack).digest(8), "big") % self.of_days == self.day
