"""Files that a game writes anew by itself: the patterns that a plan may leave out of backups, by the game's profile.

A file that belongs to another one, such as `session.lock` to `level.dat`, has no place here: it is always backed up
with that one, whatever a pattern says (`trees.patterns`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PRESETS: Final[Mapping[str, tuple[str, ...]]] = {
    "minecraft-java": (
        "/logs/",
        "/crash-reports/",
        "/debug/",
        "/cache/",
        "/.mixin.out/",
        "/hs_err_pid*.log",
        "/replay_pid*.log",
    ),
}


def preset_of(game_profile: str) -> tuple[str, ...]:
    """The patterns of a profile; none for an unknown one."""
    return PRESETS.get(game_profile, ())
