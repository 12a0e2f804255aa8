"""Writes of provisions."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction
from django.db.models import RestrictedError

from accounts.models import User
from accounts.services.audit import audit_record
from common.locks import row_lock
from orders.models import Order
from orders.patterns import pattern_bytes, patterns_validate
from orders.rights import OrderRight, right_held_require
from orders.services.orders import dependents_refuse, dependents_release_part, order_lock
from provisions.errors import ProvisionHasBackups
from provisions.models import Provision, ProvisionKind
from provisions.rules import exclude_require


def provision_create(  # noqa: PLR0913 - all by keyword, and none can be derived from another
    *,
    order: Order,
    kind: ProvisionKind,
    name: str,
    is_primary: bool = False,
    address: str = "",
    token: str | None = None,
    exclude: str = "",
    actor: User | None = None,
) -> Provision:
    """Add a provision to an order; `address` and `token` are a sidecar's, `exclude` the patterns of a game server.

    actor: None is the product. Raises RightsExceeded, see `provision_update`.
    """
    if is_primary or address or token:
        right_held_require(actor, order, OrderRight.DOWNLOAD)
    if exclude:
        right_held_require(actor, order, OrderRight.DELETE)
    with transaction.atomic():
        provision = Provision.objects.create(
            order=order, kind=kind, name=name, is_primary=is_primary, address=address, token=token, exclude=exclude
        )
        audit_record(
            actor=actor,
            action="provision.create",
            order_id=order.id,
            object_id=provision.id,
            kind=kind,
            is_primary=is_primary,
            address=address,
            token_changed=token is not None,
        )
    return provision


def volume_create(*, order: Order, volume_id: UUID, name: str) -> Provision:
    """Add a volume that a restore made to its order, under the id that it had before."""
    with transaction.atomic():
        volume = Provision.objects.create(id=volume_id, order=order, kind=ProvisionKind.VOLUME, name=name)
        audit_record(
            actor=None, action="provision.create", order_id=order.id, object_id=volume.id, kind=ProvisionKind.VOLUME
        )
    return volume


def provision_update(*, provision: Provision, token: str | None = None, actor: User) -> None:
    """Store the changed name, address, patterns and mark of a provision, and its token when one is given.

    Restores send an order's data to the address of its sidecar, so only those who may download that data choose the
    address; patterns take data out of later backups, as a deletion does. Raises RightsExceeded; then nothing was
    stored.
    """
    with transaction.atomic():
        # Without its secret: nothing here needs it decrypted.
        stored = row_lock(Provision.objects.filter(pk=provision.pk).defer("token")) or provision
        moved = {name for name in ("is_primary", "address") if getattr(stored, name) != getattr(provision, name)}
        if moved or token is not None:
            right_held_require(actor, stored.order, OrderRight.DOWNLOAD)
        if stored.exclude != provision.exclude:
            right_held_require(actor, stored.order, OrderRight.DELETE)
        if token is not None:
            provision.token = token
        written = ["name", "is_primary", "address", "exclude", *([] if token is None else ["token"])]
        provision.save(update_fields=written)
        audit_record(
            actor=actor,
            action="provision.update",
            order_id=stored.order_id,
            object_id=provision.id,
            token_changed=token is not None,
            patterns_changed=stored.exclude != provision.exclude,
            **{name: getattr(provision, name) for name in moved},
            **{f"{name}_before": getattr(stored, name) for name in moved},
        )


def provision_exclude(*, user: User, provision: Provision, patterns: Sequence[str]) -> Provision:
    """Set the patterns of files that the backups of a server leave out, to as many lines.

    They take data out of every later backup, so that the right to delete backups includes them. Raises
    PermissionDenied, OrderSuspended, NotAPrimaryDeployment, PatternsForbidden, and ValidationError with the first
    impossible line.
    """
    exclude_require(user=user, provision=provision)
    patterns_validate(patterns)
    with transaction.atomic():
        provision.exclude = "\n".join(patterns)
        provision.save(update_fields=["exclude"])
        audit_record(
            actor=user,
            action="provision.exclude",
            order_id=provision.order_id,
            object_id=provision.id,
            patterns=len(pattern_bytes(patterns)),
        )
    return provision


def provision_delete(*, provision: Provision, actor: User | None) -> None:
    """Remove a provision, and what a layer above made for it, such as the files of a volume.

    Raises BackupInProgress while an operation is active, ProvisionHasBackups.
    """
    try:
        with transaction.atomic():
            dependents_refuse(order_lock(provision.order_id))
            audit_record(actor=actor, action="provision.delete", order_id=provision.order_id, object_id=provision.id)
            dependents_release_part(provision.id)
            provision.delete()
    except RestrictedError:
        raise ProvisionHasBackups from None


def sidecar_seen(*, sidecar: Provision, game_profile: str, can_stop: bool, can_make_volumes: bool) -> None:
    """Store a sidecar's description of its game and itself, so that pages need not ask the sidecar."""
    seen = (game_profile, can_stop, can_make_volumes)
    if (sidecar.game_profile, sidecar.can_stop, sidecar.can_make_volumes) != seen:
        Provision.objects.filter(id=sidecar.id).update(
            game_profile=game_profile[:40], can_stop=can_stop, can_make_volumes=can_make_volumes
        )
