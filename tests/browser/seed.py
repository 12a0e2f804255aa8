"""Fills a running portal with users, orders and backups: `python -m tests.browser.seed`, in the portal's environment.

Each line of input is a JSON object, `{"do": command, …}`, and gets one line of output. An operation started by `hold`
keeps its lease while this process lives.
"""

from __future__ import annotations

import json
import sys
import threading
import time
import traceback
from datetime import timedelta
from importlib import import_module
from itertools import count
from typing import Any

from tests.browser import seed_schedules

PASSWORD = "grass-roof-lantern"
WORKER = "browser-tests:0"
BEAT_SECONDS = 3.0
MIB = 1 << 20
number = count(1)


def person(
    *,
    language: str = "",
    theme: str = "auto",
    name: str = "",
    username: str = "",
    email: str = "",
    staff: bool = False,
) -> Any:
    """A user with a password, signed in just now."""
    from accounts.models import User

    username = username or f"visitor-{next(number)}"
    user = User.objects.create_user(username, email=email or f"visitor-{next(number)}@example.com")
    user.language, user.theme, user.name, user.password = language, theme, name, _password_hash()
    user.is_staff = user.is_superuser = staff
    user.save()
    return {"username": username, "password": PASSWORD, "session": session(username=username)}


def session(*, username: str) -> str:
    """Another session of a user, right after entering the password."""
    from allauth.account.internal.flows.login import record_authentication
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.http import HttpRequest

    user = _user(username)
    store = _sessions()()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    request = HttpRequest()
    request.session = store
    record_authentication(request, user, "password", reauthenticated=True)
    store.create()
    return str(store.session_key)


def session_end(*, session: str) -> None:
    """End a session from elsewhere."""
    store = _sessions()(session)
    assert store.exists(session)
    store.delete()


def second_factor(*, username: str) -> str:
    """Give a user an authenticator app and recovery codes; returns the app's key."""
    from allauth.mfa.models import Authenticator

    from accounts.services.second_factor import secret_wrap

    key = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    user = _user(username)
    Authenticator.objects.create(user=user, type="totp", data={"secret": secret_wrap(key)})
    Authenticator.objects.create(user=user, type="recovery_codes", data={"seed": secret_wrap("seed"), "used_mask": 0})
    return key


def reset_path(*, username: str) -> str:
    """The path in the mail about a lost password."""
    from allauth.account.utils import user_pk_to_url_str
    from django.contrib.auth.tokens import default_token_generator
    from django.urls import reverse

    user = _user(username)
    words = {"uidb36": user_pk_to_url_str(user), "key": default_token_generator.make_token(user)}
    return reverse("account_reset_password_from_key", kwargs=words)


def token(*, username: str, name: str, scopes: list[str] = [], days: int | None = None) -> str:  # noqa: B006  # read only
    """An API token of a user."""
    from django.utils import timezone

    from accounts.services.tokens import token_create

    expires_at = timezone.now() + timedelta(days=days) if days is not None else None
    made, _ = token_create(user=_user(username), name=name, scopes=scopes, expires_at=expires_at)
    return str(made.id)


def order(
    *, owner: str, name: str, limit: int = 10, plan: str = "", customer: str = "", backup_format: str = "archive"
) -> Any:
    """A game server with the portal's sidecar beside it, on the plan of that name, which is made if need be."""
    from django.conf import settings

    from accounts.models import Customer
    from accounts.services.customers import customer_create
    from orders.models import Plan
    from orders.services.orders import order_create
    from provisions.models import Provision, ProvisionKind
    from provisions.services.provisions import provision_create

    user = _user(owner)
    found = Customer.objects.filter(owner=user).first() or customer_create(name=customer or owner, owner=user)
    terms, _ = Plan.objects.get_or_create(
        name=plan or f"Keeps {limit}", defaults={"backup_limit": limit, "backup_format": backup_format}
    )
    made = order_create(customer=found, plan=terms, name=name)
    server = provision_create(order=made, kind=ProvisionKind.DEPLOYMENT, name="Game server", is_primary=True)
    address = Provision.objects.filter(name="Sidecar", order__name="Survival server").earliest("created_at").address
    secret = (settings.SAVEPOINT_HOME / "secrets/sidecar-customer.token").read_text().strip()
    provision_create(order=made, kind=ProvisionKind.SIDECAR, name="Sidecar", address=address, token=secret)
    return {"order": made.id, "provision": server.id}


def backup(
    *,
    order: str,
    name: str,
    status: str = "ready",
    hours: float = 1,
    mebibytes: float = 48,
    verified: float | None = None,
    **values: Any,
) -> str:
    """A backup without stored bytes, made `hours` ago and checked `verified` hours ago; `values` are columns."""
    from django.utils import timezone

    from backups import kinds
    from backups.models import Backup
    from operations.models import Operation, OperationState
    from orders.models import Order
    from tests.factories import AssetFactory, BackupFactory, OperationFactory
    from vault.models import StorageTarget

    rented = Order.objects.get(id=order)
    size = int(mebibytes * MIB)
    began = timezone.now() - timedelta(hours=hours)
    ended = began + timedelta(seconds=4 + mebibytes / 20)
    common = {"provision": rented.provisions.get(is_primary=True), "name": name, "consistency": "live", **values}
    if verified is not None:
        common["verified_at"] = timezone.now() - timedelta(hours=verified)
    if status == "failed":
        made = BackupFactory(failed=True, completed_at=None, **common)
        state = OperationState.FAILED
    else:
        asset = AssetFactory(
            customer=rented.customer,
            target=StorageTarget.objects.get(is_default=True),
            key=f"browser/{next(number)}-{time.time_ns()}.tar.gz",
            size_bytes=size,
            stored_bytes=size,
            content=name.encode(),
        )
        made = BackupFactory(asset=asset, completed_at=ended, **common)
        state = OperationState.SUCCEEDED
    operation = OperationFactory(
        order=rented,
        kind=kinds.CREATE.name,
        state=state,
        subject=made,
        started_at=began,
        finished_at=ended,
        requested_by=rented.customer.owner,
    )
    Operation.objects.filter(id=operation.id).update(created_at=began)
    Backup.objects.filter(id=made.id).update(created_at=began)
    return str(made.id)


def suspend(*, order: str) -> None:
    """Suspend an order from now on."""
    from django.utils import timezone

    from orders.models import Order
    from orders.services.suspension import order_suspend

    order_suspend(order=Order.objects.get(id=order), since=timezone.now(), actor=None)


def hold(*, order: str, name: str, kind: str = "create", state: str = "running", **progress: Any) -> str:
    """Start an operation that lasts until `finish`: on a new backup or, for a restore, on the one of that name."""
    from backups.models import Backup, BackupStatus
    from operations.models import OperationState
    from orders.models import Order
    from tests.factories import BackupFactory, OperationFactory

    rented = Order.objects.get(id=order)
    if kind == "create":
        subject = BackupFactory(provision=rented.provisions.get(is_primary=True), name=name, creating=True)
    else:
        subject = Backup.objects.get(order=rented, name=name, deleted_at__isnull=True)
        Backup.objects.filter(id=subject.id).update(status=BackupStatus.RESTORING)
    # The portal's workers would take a queued one.
    later = {"not_before": _now() + timedelta(days=1)} if state == OperationState.QUEUED else {"worker": WORKER}
    OperationFactory(
        order=rented,
        kind=kind,
        state=state,
        subject=subject,
        attempts=int(state == OperationState.RUNNING),
        requested_by=rented.customer.owner,
        **{"phase": "packing" if kind == "create" else "staging", **later, **progress},
    )
    return str(subject.id)


def progress(*, backup: str, **values: Any) -> None:
    """Advance a running operation: `bytes_done`, `phase`, …"""
    from operations.models import Operation

    assert Operation.objects.filter(roles__backup=backup, worker=WORKER).update(**values)


def finish(*, backup: str, error_code: str = "") -> None:
    """End an operation started by `hold`."""
    from backups.models import Backup, BackupStatus
    from operations.models import Operation, OperationState
    from tests.factories import AssetFactory
    from vault.models import StorageTarget

    row = Backup.objects.select_related("order__customer", "operation").get(id=backup)
    state = OperationState.FAILED if error_code else OperationState.SUCCEEDED
    if row.asset is None and not error_code:
        target = StorageTarget.objects.get(is_default=True)
        row.asset = AssetFactory(customer=row.order.customer, target=target, key=f"browser/{row.id}.tar.gz")
        row.size_bytes, row.completed_at = row.asset.size_bytes, _now()
    Operation.objects.filter(id=row.operation_id).update(state=state, error_code=error_code, finished_at=_now())
    row.status = BackupStatus.READY if row.asset else BackupStatus.FAILED
    row.save()


def _now() -> Any:
    from django.utils import timezone

    return timezone.now()


def _user(username: str) -> Any:
    from accounts.models import User

    return User.objects.get(username=username)


def _sessions() -> Any:
    from django.conf import settings

    return import_module(settings.SESSION_ENGINE).SessionStore


_hashes: list[str] = []


def _password_hash() -> str:
    """Computed once: hashing is deliberately slow."""
    from django.contrib.auth.hashers import make_password

    if not _hashes:
        _hashes.append(make_password(PASSWORD))
    return _hashes[0]


def files(*, order: str) -> list[str]:
    """Two backups of real files, the older first; the newer has another `server.properties`."""
    from tests.world.stocked import kept_twice

    return [str(made) for made in kept_twice(order)]


def _beat() -> None:
    """Extend the leases of all operations started by `hold`."""
    from django.db.models import F

    from operations.models import Operation, OperationState

    while True:
        Operation.objects.filter(worker=WORKER, state=OperationState.RUNNING).update(heartbeat=F("heartbeat") + 1)
        time.sleep(BEAT_SECONDS)  # the interval of the heartbeat; nothing waits for it


COMMANDS = (
    person,
    session,
    session_end,
    second_factor,
    reset_path,
    token,
    order,
    backup,
    hold,
    suspend,
    progress,
    finish,
    files,
    *seed_schedules.COMMANDS,
)


def main() -> None:
    """Answer until the input ends."""
    import django

    django.setup()
    commands = {command.__name__: command for command in COMMANDS}
    threading.Thread(target=_beat, daemon=True).start()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"answer": commands[request.pop("do")](**request)}
        except Exception:  # noqa: BLE001  # it is told to whoever asked
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer, default=str), flush=True)  # noqa: T201  # the answer


if __name__ == "__main__":
    main()
