"""Every route of the API x every method x every persona: a route missing from the table fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from django.db import transaction

from accounts.scopes import Scope
from orders.rights import OrderRight
from provisions.certificates import key_make
from tests.access.routes import routes
from tests.access.world import METHODS, PERSONAS, World, methods_tried, world_of


@dataclass(frozen=True, kw_only=True)
class Case:
    """The requirements of one method of one route, and its answers: without access, and to a suspended owner."""

    right: OrderRight
    scope: Scope
    ok: int
    suspended: int
    hidden: int = 404
    body: Any = None
    before: Callable[[World], None] | None = None
    permission: str = ""
    """Besides the right: a permission that only staff have."""


def reading(*, right=OrderRight.VIEW, scope=Scope.VIEW, ok=200, suspended=None, hidden=404):
    case = Case(right=right, scope=scope, ok=ok, suspended=suspended or ok, hidden=hidden)
    return {"GET": [case], "HEAD": [case]}


def writing(right, scope, ok=202, **values):
    """A case that a suspended customer is refused."""
    return Case(right=right, scope=scope, ok=ok, suspended=409, **values)


def staff(permission, **values):
    """A case of the systems of staff."""
    return Case(right=OrderRight.VIEW, scope=Scope.MANAGE, ok=200, suspended=403, permission=permission, **values)


def telling(ok, **values):
    """An action on a webhook, or a preview, which a suspension does not touch."""
    return Case(right=OrderRight.SCHEDULES, scope=Scope.MANAGE, ok=ok, suspended=ok, **values)


R, S = OrderRight, Scope
NO_ID = "00000000-0000-4000-8000-000000000000"
WEBHOOK = "api/v1/orders/{order}/webhooks/{webhook}/"
PROVISION = "api/v1/orders/{order}/provisions/{provision}/"
TABLE: dict[str, dict[str, list[Case]]] = {
    "api/v1/orders/": reading(hidden=200),
    "api/v1/orders/{order}/": reading(),
    "api/v1/orders/{order}/provisions/": reading(),
    PROVISION: {**reading(), "PATCH": [writing(R.DELETE, S.DELETE, ok=200, body={"exclude": ["*.log"]})]},
    # The sidecar leads nowhere: everyone with access is told so.
    f"{PROVISION}estimate/": reading(right=R.CREATE, scope=S.CREATE, ok=503, suspended=409),
    f"{PROVISION}triggers/": reading(),
    f"{PROVISION}triggers/{{kind}}/": {
        **reading(),
        "PUT": [writing(R.SCHEDULES, S.MANAGE, ok=200, body={"enabled": True})],
    },
    "api/v1/orders/{order}/usage/": reading(),
    "api/v1/orders/{order}/usage/forecast/": reading(),
    "api/v1/orders/{order}/suspension/": {
        "POST": [staff("change_order"), staff("delete_order", body={"terminates": True})],
        "DELETE": [staff("change_order")],
    },
    "api/v1/orders/{order}/test-restores/": {
        **reading(),
        "PATCH": [writing(R.SCHEDULES, S.MANAGE, ok=200, body={"days": 60})],
    },
    "api/v1/orders/{order}/protection/": reading(),
    "api/v1/orders/{order}/reprovision/": {"POST": [writing(R.RESTORE, S.RESTORE)]},
    f"{PROVISION}backups/": {**reading(), "POST": [writing(R.CREATE, S.CREATE, body={"name": "x"})]},
    f"{PROVISION}backups/bulk/": {
        "POST": [writing(R.DELETE, S.DELETE, ok=200, body={"ids": [NO_ID], "action": "lock"})]
    },
    f"{PROVISION}backups/{{backup}}/": {
        **reading(),
        "PATCH": [
            writing(R.DELETE, S.DELETE, ok=200, body={"name": "x"}),
            writing(R.DELETE, S.DELETE, ok=200, body={"locked": True}),
        ],
        "DELETE": [writing(R.DELETE, S.DELETE, ok=204)],
    },
    f"{PROVISION}backups/{{backup}}/restore/": {"POST": [writing(R.RESTORE, S.RESTORE)]},
    # The backup was stored without a listing: everyone with access is told so, and nobody who may not read it.
    f"{PROVISION}backups/{{backup}}/files/": reading(right=R.DOWNLOAD, scope=S.DOWNLOAD, ok=409),
    f"{PROVISION}backups/{{backup}}/files/content/?path=a": reading(right=R.DOWNLOAD, scope=S.DOWNLOAD, ok=409),
    f"{PROVISION}versions/?path=a": reading(right=R.DOWNLOAD, scope=S.DOWNLOAD),
    f"{PROVISION}search/?q=a": reading(right=R.DOWNLOAD, scope=S.DOWNLOAD),
    # The backup was stored without a listing: everyone with access is told so, even while suspended.
    f"{PROVISION}backups/{{backup}}/restore/preview/": reading(right=R.RESTORE, scope=S.RESTORE, ok=409),
    f"{PROVISION}backups/{{backup}}/verify/": {"POST": [writing(R.CREATE, S.CREATE)]},
    f"{PROVISION}backups/{{backup}}/undo/": {"POST": [writing(R.RESTORE, S.RESTORE, before=World.restore_ended)]},
    **{
        route: methods
        for owner in ("api/v1/orders/{order}/", PROVISION)
        for route, methods in {
            f"{owner}schedules/": {
                **reading(),
                "POST": [writing(R.SCHEDULES, S.MANAGE, ok=201, body={"name": "x", "cron": "@daily"})],
            },
            f"{owner}schedules/{{schedule}}/": {
                **reading(),
                "PATCH": [writing(R.SCHEDULES, S.MANAGE, ok=200, body={"paused": True})],
                "DELETE": [writing(R.SCHEDULES, S.MANAGE, ok=204)],
            },
            f"{owner}schedules/{{schedule}}/run/": {"POST": [writing(R.SCHEDULES, S.MANAGE)]},
            f"{owner}schedules/{{schedule}}/runs/": reading(),
            # It saves nothing: a suspension does not touch it.
            f"{owner}schedules/preview/": {"POST": [telling(200, body={"cron": "@daily"})]},
        }.items()
    },
    "api/v1/orders/{order}/triggers/update/": {"POST": [writing(R.CREATE, S.CREATE)]},
    "api/v1/operations/{operation}/": reading(),
    "api/v1/operations/{operation}/cancel/": {
        "POST": [
            writing(R.CREATE, S.CREATE, before=World.create_begins),
            writing(R.RESTORE, S.RESTORE, before=World.restore_begins),
        ]
    },
    "api/v1/orders/{order}/webhooks/": {
        **reading(right=R.SCHEDULES, scope=S.MANAGE),
        "POST": [telling(201, body={"url": "https://1.1.1.1/"})],
    },
    WEBHOOK: {
        **reading(right=R.SCHEDULES, scope=S.MANAGE),
        "PATCH": [telling(200, body={"active": False})],
        "DELETE": [telling(204)],
    },
    f"{WEBHOOK}rotate/": {"POST": [telling(200)]},
    f"{WEBHOOK}test/": {"POST": [telling(202)]},
    f"{WEBHOOK}deliveries/": reading(right=R.SCHEDULES, scope=S.MANAGE),
    f"{WEBHOOK}deliveries/{{delivery}}/replay/": {"POST": [telling(202)]},
    "api/v1/assets/{asset}/": reading(right=R.DOWNLOAD, scope=S.DOWNLOAD),
}
PUBLIC = {
    "api/v1/schema/": 200,
    "api/v1/docs/": 200,
    "^api/": 404,
    "livez": 200,
    "readyz": 200,
    "healthz": 503,
}
"""Public routes, with the answer to a GET: none of them shows a customer's data."""
BY_NETWORK = {"metrics"}
"""For callers from the right network, or with a token of its own: see test_metrics."""
JOINING = "api/v1/sidecars/enrol/"
"""The caller has only a token in the body; a session adds and removes nothing."""


def expected(case, persona):
    if persona.anonymous:
        return 401
    if persona.scopes and case.scope not in persona.scopes:
        return 403
    if persona.rights is None:
        return case.hidden
    if case.right not in persona.rights or (case.permission and case.permission not in persona.permissions):
        return 403
    return case.suspended if persona.suspended else case.ok


def knock(world, method, template, case=None):
    """The status of one request; its changes are rolled back."""
    with transaction.atomic():
        if case and case.before:
            case.before(world)
        body = case.body if case else None
        status = world.client.generic(method, world.path(template), **_json(body)).status_code
        transaction.set_rollback(True)
    return status


def _json(body):
    import json

    return {"data": json.dumps(body), "content_type": "application/json"} if body is not None else {}


def in_another_table(route):
    """The pages of admin and customers: test_admin and test_pages cover each of them."""
    pages = ("admin/", "orders/", "fleet/", "inbox/", "account/", "accounts/", "^accounts/")
    return route.path == "" or route.path.startswith(pages)


def test_every_route_is_in_the_table():
    known = {*(template.partition("?")[0] for template in TABLE), *PUBLIC, *BY_NETWORK, JOINING}
    assert {route.path for route in routes() if not in_another_table(route)} == known


@pytest.mark.parametrize("persona", PERSONAS, ids=str)
def test_every_persona_gets_the_answer_in_the_table(persona, db, tmp_path):
    world = world_of(persona, tmp_path)
    wrong = []
    for turn, (template, methods) in enumerate(TABLE.items()):
        for method in methods_tried(persona, methods, turn):
            wanted = {repr(case): (case, expected(case, persona)) for case in methods.get(method, [])}
            if not wanted:
                wanted = {"": (None, 401 if persona.anonymous else 405)}
            for case, status in wanted.values():
                got = knock(world, method, template, case)
                if got != status:
                    wrong.append(f"{method} {template} {case.right if case else ''}: {got}, expected {status}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("persona", PERSONAS, ids=str)
def test_public_routes_are_equal_for_all_and_read_only(persona, db, tmp_path):
    world = world_of(persona, tmp_path)
    for template, status in PUBLIC.items():
        path = template.removeprefix("^")
        assert knock(world, "GET", path) == status, path
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert knock(world, method, path) == (404 if status == 404 else 405), (method, path)


@pytest.mark.parametrize("persona", PERSONAS, ids=str)
def test_enrolling_sidecar_is_known_by_its_body_token_alone(persona, db, tmp_path):
    world = world_of(persona, tmp_path)
    key = key_make()
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, SHA256())
    body = {"token": "svpe_guessed", "request": request.public_bytes(Encoding.PEM).decode()}
    case = Case(right=R.VIEW, scope=S.VIEW, ok=401, suspended=401, body=body)
    assert knock(world, "POST", JOINING, case) == 401
    for method in METHODS:
        assert knock(world, method, JOINING) == {"POST": 400}.get(method, 405), method


def test_the_list_of_an_outsider_is_empty(db, tmp_path):
    world = world_of(next(persona for persona in PERSONAS if persona.name == "outsider"), tmp_path)
    assert world.client.get("/api/v1/orders/").json()["results"] == []
