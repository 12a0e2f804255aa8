"""How much of a repository a verification reads."""

from __future__ import annotations

from dataclasses import dataclass

from blake3 import blake3


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which packs' data are read; what everything says of everything else is always looked at.

    Of `of_days` shares of about the same size one is read, that of `day`; so as many days read all. With `contents`
    every file is put together besides, and held against the hashes that its source gave.
    """

    day: int = 0
    of_days: int = 0
    contents: bool = False

    @classmethod
    def structure(cls) -> Coverage:
        """No data but what looks doubtful."""
        return cls()

    @classmethod
    def full(cls) -> Coverage:
        """All data, and the content of every file."""
        return cls(of_days=1, contents=True)

    @classmethod
    def share(cls, day: int, of_days: int) -> Coverage:
        """The share of a day, counted from anywhere. Raises ValueError unless there is at least one day."""
        if of_days < 1:
            raise ValueError("a share of no days")
        return cls(day % of_days, of_days)

    def reads(self, pack: bytes) -> bool:
        """Whether the data of this pack are read."""
        return self.of_days > 0 and int.from_bytes(blake3(pack).digest(8), "big") % self.of_days == self.day
