"""The demo's people and orders: made once, found again at every later start."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from django.contrib.auth.models import Permission
from django.db.models import Q

from accounts.models import Customer, User
from accounts.services.customers import customer_create
from accounts.services.tokens import token_authenticate, token_create
from common.private_files import private_write
from demo.places import DemoServer
from orders.models import BackupFormat, Order, Plan
from orders.rights import OrderRight, order_rights
from orders.services.orders import member_grant, order_create
from provisions.models import Provision, ProvisionKind
from provisions.services.provisions import provision_create
from vault.models import StorageTarget

ROLES = {
    "customer": "Casey Customer",
    "other": "Olu Other",
    "member": "Mika Member",
    "staff": "Sam Staff",
}
"""The users by their role on the customer's order, with their names. The roles are their user names."""
PLANS = {"Demo": BackupFormat.REPOSITORY, "Demo, archives": BackupFormat.ARCHIVE}
"""The customer's plan stores snapshots, that of the other customer archives."""
STAFF_MAY_CHANGE = ("plan", "order", "provision", "storagetarget")
OUR_APPS = ("accounts", "orders", "provisions", "backups")


@dataclass(frozen=True, slots=True)
class Login:
    """A login: user name and password, and the token of the user's bot."""

    username: str
    password: str
    token: str


@dataclass(frozen=True, slots=True)
class Rented:
    """An order and its game server, by their ids."""

    order: str
    provision: str


@dataclass(frozen=True, slots=True)
class Seeded:
    """Everything a visitor needs to know."""

    users: dict[str, Login]
    customer: Rented
    other: Rented
    no_sidecar: Rented


def demo_seed(*, home: Path, places: dict[str, DemoServer]) -> Seeded:
    """Create missing rows. `places` are the game servers of `customer` and `other`."""
    users, logins = _people(home / "secrets/demo-logins.json")
    _storage_target(home / "storage")
    plan, archives = (_plan(name, kind) for name, kind in PLANS.items())
    mine = _customer("Demo Games", users["customer"])
    order = _order(mine, plan, "Survival server")
    for right in (OrderRight.VIEW, OrderRight.CREATE):
        if right not in order_rights(users["member"], order):
            member_grant(order=order, user=users["member"], right=right, actor=users["customer"])
    others = _order(_customer("Other Games", users["other"]), archives, "Creative server")
    return Seeded(
        users=logins,
        customer=_rented(order, sidecar=places["customer"]),
        other=_rented(others, sidecar=places["other"]),
        no_sidecar=_rented(_order(mine, plan, "Lobby without a sidecar"), sidecar=None),
    )


def _plan(name: str, kind: BackupFormat) -> Plan:
    return Plan.objects.get_or_create(name=name, defaults={"backup_format": kind})[0]


def _people(file: Path) -> tuple[dict[str, User], dict[str, Login]]:
    """The users and their logins; passwords and tokens are known to this file alone, so both are restored from it."""
    known = json.loads(file.read_text()) if file.exists() else {}
    users = {role: _user(role) for role in ROLES}
    logins = {role: _login(user, known.get(role, {})) for role, user in users.items()}
    private_write(file, json.dumps({role: asdict(login) for role, login in logins.items()}, indent=2))
    staff = users["staff"]
    staff.is_staff = True
    staff.save(update_fields=["is_staff"])
    staff.user_permissions.add(*_staff_permissions())
    return users, logins


def _user(role: str) -> User:
    user = User.objects.filter(username=role).first() or User.objects.create_user(role)
    # A home of an earlier release has users without these; a name or an address that was set since stays.
    user.email, user.name = user.email or f"{role}@example.com", user.name or ROLES[role]
    user.save(update_fields=["email", "name"])
    return user


def _login(user: User, known: dict[str, str]) -> Login:
    password = known.get("password") or secrets.token_urlsafe(12)
    if not known or not user.check_password(password):
        user.set_password(password)
        user.save(update_fields=["password"])
    token = known.get("token", "")
    if token_authenticate(token) is None:
        _, token = token_create(user=user, name="demo")
    return Login(username=user.username, password=password, token=token)


def _staff_permissions() -> list[Permission]:
    """Staff see everything in the admin, have the permissions to operate the product, and see every order."""
    changes = [f"{verb}_{model}" for verb in ("add", "change") for model in STAFF_MAY_CHANGE]
    wanted = Q(codename__startswith="view_") | Q(codename__in=changes)
    return list(Permission.objects.filter(wanted, content_type__app_label__in=OUR_APPS))


def _storage_target(root: Path) -> None:
    root.mkdir(mode=0o700, exist_ok=True)
    options = {"root": str(root)}
    target, made = StorageTarget.objects.get_or_create(
        name="Local folder",
        defaults={"kind": "local", "options": options, "sealed": True, "is_default": True},
    )
    if not made and target.options != options:
        # The home was moved, and the target with it.
        target.options = options
        target.save(update_fields=["options"])


def _customer(name: str, owner: User) -> Customer:
    return Customer.objects.filter(owner=owner).first() or customer_create(name=name, owner=owner)


def _order(customer: Customer, plan: Plan, name: str) -> Order:
    found = Order.objects.filter(customer=customer, name=name).first()
    return found or order_create(customer=customer, plan=plan, name=name)


def _rented(order: Order, *, sidecar: DemoServer | None) -> Rented:
    server = Provision.objects.filter(order=order, is_primary=True).first() or provision_create(
        order=order, kind=ProvisionKind.DEPLOYMENT, name="Game server", is_primary=True
    )
    if sidecar is not None:
        beside = Provision.objects.filter(order=order, kind=ProvisionKind.SIDECAR).first() or provision_create(
            order=order, kind=ProvisionKind.SIDECAR, name="Sidecar", address=sidecar.listen, token=sidecar.token
        )
        if (beside.address, beside.token) != (sidecar.listen, sidecar.token):
            beside.address, beside.token = sidecar.listen, sidecar.token
            beside.save(update_fields=["address", "token"])
    return Rented(order=str(order.id), provision=str(server.id))
