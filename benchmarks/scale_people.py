"""Users of the big database, and the places that they open."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import AnonymousUser, Permission
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection
from django.http import HttpRequest

from accounts.models import User

PASSWORD = "the password of whoever signs in here"  # noqa: S105  # of a database that is thrown away
LIVE = ["creating", "restoring"]

_OWNER_OF_MOST = "SELECT owner_id FROM seed_order WHERE n = 1"
_OWNER_OF_ONE = "SELECT owner_id FROM seed_order ORDER BY n DESC LIMIT 1"
_PLACES = """
    SELECT o.owner_id AS owner, o.id AS order, o.server_id AS provision, b.id AS backup
    FROM seed_order AS o JOIN seed_backup AS b ON b.order_id = o.id AND b.n = 1
    WHERE o.n > 1 AND b.shape = ANY(%s)
    ORDER BY random() LIMIT %s
"""
_BUSIEST = """
    SELECT o.owner_id AS owner, o.id AS order, o.server_id AS provision, b.id AS backup
    FROM seed_order AS o JOIN seed_backup AS b ON b.order_id = o.id AND b.n = 1
    WHERE o.n = 1
"""


def people_make() -> dict[str, dict[str, str]]:
    """Logins of staff who see all, of the owner of the most orders, and of an owner of one."""
    password = make_password(PASSWORD)
    staff = User.objects.create(username="staff", is_staff=True, password=password)
    staff.user_permissions.add(Permission.objects.get(codename="view_all_orders"))
    for username, query in {"many": _OWNER_OF_MOST, "one": _OWNER_OF_ONE}.items():
        ((user_id,),) = _rows(query)
        User.objects.filter(id=user_id).update(username=username, password=password)
    return {name: {"username": name, "password": PASSWORD} for name in ("staff", "many", "one")}


def places_find(sample: int) -> dict[str, list[dict[str, str]]]:
    """Places: random ones, those where something is done, and the order with the most backups.

    Each is an order with its server, its newest backup and a session of its owner.
    """
    found = {
        "random": _rows(_PLACES, ["ready", "failed", "queued", *LIVE], sample),
        "live": _rows(_PLACES, LIVE, sample),
        "busiest": _rows(_BUSIEST),
    }
    owners = User.objects.in_bulk({owner for rows in found.values() for owner, *_ in rows})
    sessions = {owner: _session(user) for owner, user in owners.items()}
    return {
        name: [
            {"session": sessions[owner], "order": str(order), "provision": str(provision), "backup": str(backup)}
            for owner, order, provision, backup in rows
        ]
        for name, rows in found.items()
    }


def _session(user: User) -> str:
    """Sign a user in without the form, which lets nobody in 400 times a minute; the session's key."""
    request = HttpRequest()
    request.META = {"REMOTE_ADDR": "127.0.0.1", "HTTP_USER_AGENT": "benchmark"}
    request.user = AnonymousUser()
    request.session = SessionStore()
    login(request, user, backend=settings.AUTHENTICATION_BACKENDS[0])
    request.session.save()
    return str(request.session.session_key)


def _rows(query: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return list(cursor.fetchall())
