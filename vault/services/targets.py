"""Saves and validates storage targets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from accounts.errors import RightsExceeded
from accounts.models import User
from accounts.services.audit import audit_record
from common.locks import row_lock
from orders.rights import reads_all_data
from targets.kinds import OptionInvalid
from targets.registry import kind_named
from vault.errors import TargetOptionsInvalid, TargetRootRefused
from vault.models import StorageTarget
from vault.services.opening import target_settings


def target_save(*, target: StorageTarget, actor: User) -> None:
    """Store a new or changed target. Raises as `target_check`, and RightsExceeded; then nothing was stored.

    The owner of the place that backups go to can read them, so only staff who may read every order's data choose it
    and its encryption. Its name, format and hours are free.
    """
    target_check(target=target)
    with transaction.atomic():
        stored = row_lock(StorageTarget.objects.filter(pk=target.pk))
        before, after = _destination(stored), _destination(target)
        secrets_changed = (stored.secrets if stored else None) != target.secrets
        moved = {name for name in after if before.get(name) != after[name]}
        if (moved or secrets_changed) and not reads_all_data(actor):
            raise RightsExceeded
        target.save()
        audit_record(
            actor=actor,
            action="target.update" if stored else "target.create",
            object_id=target.id,
            name=target.name,
            secrets_changed=secrets_changed,
            **{name: after[name] for name in moved},
            **{f"{name}_before": before[name] for name in moved if stored},
        )


def _destination(target: StorageTarget | None) -> dict[str, Any]:
    """The fields that decide where backups go and whether that place can read them, without the secrets."""
    if target is None:
        return {}
    # An option that is not stored has its default: storing the default changes nothing.
    defaults = {option.name: option.default for option in kind_named(target.kind).options if not option.required}
    return {
        "kind": target.kind,
        "options": defaults | target.options,
        "sealed": target.sealed,
        "is_default": target.is_default,
    }


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
