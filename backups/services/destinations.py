"""Servers onto which a backup can be restored: its own, and others of the same customer."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from accounts.models import User
from backups.errors import ProfileDiffers
from backups.models import Backup
from backups.rules import Rules
from common.errors import ApplicationError, PermissionDenied
from orders.rights import OrderRight, order_rights, orders_visible
from provisions.errors import ProvisionNotFound
from provisions.models import Provision
from provisions.selectors import provision_sidecar

DESTINATIONS_MAX = 100


def destination_get(*, user: User, backup: Backup, provision_id: UUID | None) -> Provision:
    """The server to restore onto; None chooses the backup's own.

    Another server must be of the same customer, and the caller must be allowed to read the backup's data. Raises
    ProvisionNotFound, PermissionDenied, ProfileDiffers.
    """
    if provision_id is None or provision_id == backup.provision_id:
        return backup.provision
    found = _servers(user, backup).filter(id=provision_id).first()
    if found is None:
        raise ProvisionNotFound
    if not Rules(user=user, order=backup.order).may_read:
        raise PermissionDenied
    if not _is_same_game(backup.provision, found):
        raise ProfileDiffers
    return found


def destinations_of(*, user: User, backup: Backup) -> list[Provision]:
    """The other servers onto which the caller may restore a backup, by the names of their orders; 100 at most."""
    if not Rules(user=user, order=backup.order).may_read:
        return []
    servers = _servers(user, backup).exclude(id=backup.provision_id).order_by("order__name", "id")
    return [
        server
        for server in servers[:DESTINATIONS_MAX]
        if OrderRight.RESTORE in order_rights(user, server.order) and _is_same_game(backup.provision, server)
    ]


def _servers(user: User, backup: Backup) -> QuerySet[Provision]:
    visible = orders_visible(user).filter(customer=backup.order.customer_id)
    return Provision.objects.filter(order__in=visible, is_primary=True).select_related("order__customer", "order__plan")


def _is_same_game(one: Provision, other: Provision) -> bool:
    """Whether two servers run the same game, as far as their sidecars have said."""
    profiles = {profile for profile in (_profile(one), _profile(other)) if profile}
    return len(profiles) < 2  # noqa: PLR2004  # two that differ


def _profile(server: Provision) -> str:
    try:
        return provision_sidecar(server).game_profile
    except ApplicationError:
        return ""
