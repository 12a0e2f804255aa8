"""The patterns in force for one backup, out of everybody's."""

from __future__ import annotations

from collections.abc import Sequence

from orders.models import Plan
from orders.patterns import pattern_bytes, patterns_of
from provisions.presets import preset_of
from sidecar_client.values import Exclude


def exclude_of(*, plan: Plan, game_profile: str, of_server: Sequence[str], of_backup: Sequence[str]) -> Exclude:
    """The patterns in force, in this order, so that each may override those before it.

    The plan's, the game profile's if the plan says so, the file `.savepointignore`, the server's, the backup's. Where
    the plan takes no patterns of customers, the file and the backup's do not count; the server's do, as staff may have
    set them.
    """
    presets = preset_of(game_profile) if plan.profile_presets else ()
    own = of_backup if plan.customer_patterns else ()
    return Exclude(
        before=(*pattern_bytes(patterns_of(plan.exclude)), *pattern_bytes(presets)),
        ignore_file=plan.customer_patterns,
        after=(*pattern_bytes(of_server), *pattern_bytes(own)),
    )
