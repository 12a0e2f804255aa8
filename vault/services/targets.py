"""Writes of storage targets, and their validation."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from vault.errors import TargetOptionsInvalid, TargetRootRefused
from vault.models import StorageTarget, TargetKind
from vault.services.opening import target_open


def target_save(*, target: StorageTarget) -> None:
    """Store a new or changed target. Raises as `target_check`; then nothing was stored."""
    target_check(target=target)
    target.save()


def target_check(*, target: StorageTarget) -> None:
    """Refuse a target that could not be opened, without connecting to it.

    Raises TargetOptionsInvalid, and TargetRootRefused for a folder outside `SAVEPOINT_STORAGE_ROOTS`: the portal
    reads and writes there with its own rights, which reach its keys and its database.
    """
    try:
        if target.kind == TargetKind.LOCAL:
            _root_check(target.options)
        target_open(target)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise TargetOptionsInvalid from None


def _root_check(options: dict[str, str]) -> None:
    if set(options) != {"root"} or not Path(options["root"]).is_absolute() or "\0" in options["root"]:
        raise ValueError("options")
    # Resolved: neither `..` nor a symbolic link leads out of the folders that the operator named.
    root = Path(options["root"]).resolve()
    allowed = [Path(folder).resolve() for folder in settings.SAVEPOINT_STORAGE_ROOTS]
    if not any(root.is_relative_to(folder) for folder in allowed):
        raise TargetRootRefused(root=str(root), allowed=", ".join(map(str, allowed)))
