"""Saves and validates storage targets."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from targets.kinds import OptionInvalid
from targets.registry import kind_named
from vault.errors import TargetOptionsInvalid, TargetRootRefused
from vault.models import StorageTarget
from vault.services.opening import target_settings


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
        found = target_settings(target)
    except OptionInvalid as error:
        raise TargetOptionsInvalid(option=error.name, reason=error.reason) from None
    for option in kind_named(target.kind).options:
        if option.type is Path:
            _folder_check(option.name, getattr(found, option.name))


def _folder_check(option: str, folder: Path) -> None:
    # Resolved: neither `..` nor a symbolic link leads out of the folders that the operator named.
    root = folder.resolve()
    allowed = [Path(folder).resolve() for folder in settings.SAVEPOINT_STORAGE_ROOTS]
    if not any(root.is_relative_to(folder) for folder in allowed):
        raise TargetRootRefused(option=option, root=str(root), allowed=", ".join(map(str, allowed)))
