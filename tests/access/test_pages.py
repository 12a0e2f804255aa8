"""Every page of orders and backups x every method x every persona: a page missing from the table fails."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from django.contrib.messages import get_messages
from django.db import connection, transaction
from django.test import Client

from backups.models import Backup, BackupStatus
from common.models import IdempotencyRecord
from notices.models import Delivery, Endpoint, Preference
from operations.models import Operation
from orders.models import Order
from orders.rights import STAFF_RIGHTS, OrderRight
from provisions.models import Provision
from schedules.models import Schedule, ScheduleRun, Trigger
from tests.access.routes import routes
from tests.access.world import METHODS, Persona, World, methods_tried, world_of
from tests.access.world import PERSONAS as OF_THE_API
from tests.factories import BackupFactory, OperationFactory, OrderFactory, ProvisionFactory, ScheduleFactory
from tests.world.clients import browser_of

LOGIN = "/accounts/login/"
HTMX = {"HX-Request": "true"}

PERSONAS = [
    # A session has no scopes.
    *(persona for persona in OF_THE_API if not persona.scopes),
    Persona("staff who see all, of a suspended order", STAFF_RIGHTS, suspended=True, permissions=("view_all_orders",)),
]


@dataclass(frozen=True)
class Answer:
    """One answer. `said`: the level of the next message; `changed`: whether any backup or operation changed."""

    status: int
    said: str = ""
    changed: bool = False


@dataclass(frozen=True, kw_only=True)
class Case:
    """The requirements of one method of one page, and its answers: with access, and to a suspended owner.

    hidden: the answer without access to the order. staff_go_on: whether staff may act on a suspended order. fleet: the
    page is of all orders, and for those who may see them.
    """

    ok: Answer
    suspended: Answer
    right: OrderRight = OrderRight.VIEW
    hidden: int = 404
    staff_go_on: bool = False
    fleet: bool = False
    body: Any = None
    before: Callable[[World], None] | None = None


def reading(**values):
    """A page that stays open while the order is suspended."""
    answer = Answer(values.pop("status", 200))
    case = Case(ok=answer, suspended=answer, **values)
    return {"GET": [case], "HEAD": [case]}


def asking(right, **values):
    """A form: everyone who sees the order may open it; a refusal shows it again."""
    return {**reading(), "POST": [_writing(right, Answer(409), **values)]}


def button(*rights, **values):
    """A button: a refusal redirects to the order page, which shows it."""
    return {"POST": [_writing(right, Answer(302, "error"), before=before, **values) for right, before in rights]}


def _writing(right, refused, **values):
    return Case(**{"ok": Answer(302, "success", changed=True), "suspended": refused, "right": right, **values})


def fails(world: World) -> None:
    Backup.objects.filter(id=world.backup.id).update(status=BackupStatus.FAILED, asset=None)


def collapses(world: World) -> None:
    Backup.objects.filter(id=world.backup.id).update(collapsed=True)


def telling(status=302, said="success", **values):
    """An action on an address for notices, which a suspension does not touch."""
    answer = Answer(status, said, changed=True)
    return Case(ok=answer, suspended=answer, right=OrderRight.SCHEDULES, **values)


def trying(body):
    """A POST that only shows what it would do; those without the right are told so."""
    answer = Answer(200)
    return {**reading(), "POST": [Case(ok=answer, suspended=answer, right=OrderRight.SCHEDULES, body=body)]}


R = OrderRight
SCHEDULE = "orders/{order}/schedules/{schedule}/"
NIGHTLY = {"name": "Nightly", "server": "every", "mode": "daily", "daily_time": "04:00", "time_zone": "UTC"}
CRASH_OFF = {"kind": "crash", "interval_minutes": "60"}
BACKUP = "orders/{order}/backups/{backup}/"
ENDPOINT = "orders/{order}/notifications/{endpoint}/"
TABLE: dict[str, dict[str, list[Case]]] = {
    "": reading(hidden=200),
    "fleet/": reading(fleet=True),
    "orders/{order}/": reading(),
    "orders/{order}/activity/": reading(),
    "orders/{order}/usage/": reading(),
    "orders/{order}/backups/": reading(),
    "orders/{order}/backups/create/": asking(R.CREATE),
    # The sidecar leads nowhere, and some lack the right to ask it: everyone who sees the form is told why.
    "orders/{order}/backups/create/estimate/": {**reading(), "POST": reading()["GET"]},
    # None is chosen: whoever may change backups is told so.
    "orders/{order}/backups/bulk/": button(
        (R.DELETE, None), body={"action": "lock"}, ok=Answer(302, "warning"), staff_go_on=True
    ),
    "orders/{order}/exclude/estimate/": {**reading(), "POST": reading()["GET"]},
    "orders/{order}/test-restores/": asking(R.SCHEDULES, body={"days": "60"}),
    "orders/{order}/exclude/": asking(R.DELETE, body={"exclude": "*.log"}, staff_go_on=True),
    BACKUP: reading(),
    f"{BACKUP}detail/": reading(),
    f"{BACKUP}rename/": asking(R.DELETE, body={"name": "x"}, staff_go_on=True),
    f"{BACKUP}accept/": button((R.DELETE, collapses), staff_go_on=True),
    f"{BACKUP}lock/": button((R.DELETE, None), staff_go_on=True),
    f"{BACKUP}download/": reading(right=R.DOWNLOAD, status=302),
    # The backup was stored without a listing: everyone who may read it is told so.
    f"{BACKUP}files/": reading(right=R.DOWNLOAD, status=409),
    f"{BACKUP}files/file/?path=a": reading(right=R.DOWNLOAD, status=409),
    f"{BACKUP}files/raw/?path=a": reading(right=R.DOWNLOAD, status=409),
    f"{BACKUP}files/download/?path=a": reading(right=R.DOWNLOAD, status=409),
    "orders/{order}/files/": reading(right=R.DOWNLOAD),
    "orders/{order}/files/?q=a": reading(right=R.DOWNLOAD),
    "orders/{order}/files/?path=a": reading(right=R.DOWNLOAD),
    "orders/{order}/files/compare/?path=a&older={backup}&newer={backup}": reading(right=R.DOWNLOAD, status=409),
    f"{BACKUP}restore/": asking(R.RESTORE, body={"mode": "overlay"}),
    # The backup was stored without a listing: the page says that there is no preview.
    f"{BACKUP}restore/preview/": reading(right=R.RESTORE),
    f"{BACKUP}restore/volume/": asking(R.RESTORE, before=World.volumes_offered),
    f"{BACKUP}undo/": asking(R.RESTORE, before=World.restore_ended),
    f"{BACKUP}retry/": button((R.CREATE, fails)),
    f"{BACKUP}verify/": asking(R.CREATE, body={"depth": "data"}, staff_go_on=True),
    f"{BACKUP}delete/": asking(R.DELETE, staff_go_on=True),
    "orders/{order}/notifications/": reading(),
    "orders/{order}/notifications/choice/": {
        "POST": [Case(ok=Answer(302, "success", changed=True), suspended=Answer(302, "success", changed=True))]
    },
    "orders/{order}/notifications/add/": {
        "POST": [
            telling(body={"kind": "discord", "url": "https://discord.com/api/webhooks/1/a"}),
            # The answer shows the secret.
            telling(200, "", body={"kind": "webhook", "url": "https://1.1.1.1/"}),
        ]
    },
    ENDPOINT: reading(right=R.SCHEDULES),
    f"{ENDPOINT}test/": {"POST": [telling()]},
    f"{ENDPOINT}switch/": {"POST": [telling()]},
    f"{ENDPOINT}rotate/": {"POST": [telling(200, "")]},
    f"{ENDPOINT}delete/": {**reading(right=R.SCHEDULES), "POST": [telling()]},
    f"{ENDPOINT}deliveries/{{delivery}}/replay/": {"POST": [telling()]},
    "orders/{order}/schedules/": reading(),
    "orders/{order}/schedules/calendar/": reading(),
    "orders/{order}/schedules/create/": asking(R.SCHEDULES, body=NIGHTLY, staff_go_on=True),
    "orders/{order}/schedules/create/preview/": trying(NIGHTLY),
    f"{SCHEDULE}edit/": asking(R.SCHEDULES, body=NIGHTLY, staff_go_on=True),
    f"{SCHEDULE}edit/preview/": trying(NIGHTLY),
    f"{SCHEDULE}run/": asking(R.SCHEDULES),
    f"{SCHEDULE}pause/": asking(R.SCHEDULES, staff_go_on=True),
    f"{SCHEDULE}delete/": asking(R.SCHEDULES, staff_go_on=True),
    "orders/{order}/triggers/": asking(R.SCHEDULES, body=CRASH_OFF, staff_go_on=True),
    "orders/{order}/operations/{operation}/cancel/": button(
        (R.CREATE, World.create_begins), (R.RESTORE, World.restore_begins), staff_go_on=True
    ),
}
FORMS = [path for path, methods in TABLE.items() if "POST" in methods]


def expected(case, persona):
    if case.fleet:
        return case.ok if persona.permissions else Answer(404)
    if persona.rights is None:
        return Answer(case.hidden)
    if case.right not in persona.rights:
        return Answer(403)
    if persona.suspended and not (case.staff_go_on and persona.permissions):
        return case.suspended
    return case.ok


def found(methods, persona):
    """Whether a persona may know that there is a page."""
    first = next(iter(methods.values()))[0]
    return first.hidden == 200 or expected(first, persona).status != 404


OURS = (
    Order, Backup, Operation, IdempotencyRecord, Provision, Endpoint, Delivery, Preference, Schedule, ScheduleRun,
    Trigger,
)  # fmt: skip
CHANGED = "|".join(model._meta.db_table for model in OURS)
WRITING = re.compile(rf'(INSERT INTO|UPDATE|DELETE FROM) "({CHANGED})"')
"""All that a page may change."""


def knock(client, world, method, path, case=None, **headers):
    """Send one request, roll its changes back, and return the answer."""
    client.cookies.pop("messages", None)
    statements = []

    def noted(execute, sql, *rest):
        statements.append(sql)
        return execute(sql, *rest)

    with transaction.atomic():
        if case and case.before:
            case.before(world)
        with connection.execute_wrapper(noted):
            response = getattr(client, method.lower())(path, case.body if case else None, headers=headers)
        transaction.set_rollback(True)
    changed = any(WRITING.match(sql) for sql in statements)
    levels = {message.level_tag for message in get_messages(response.wsgi_request)}
    return response, Answer(response.status_code, " ".join(levels), changed)


def in_another_table(route):
    """Routes of the API, of the admin and of accounts; each has a test like this one."""
    return route.path.startswith(("api/", "^api/", "admin/", "inbox/", "account/", "accounts/", "^accounts/"))


def test_every_page_is_in_the_table():
    ours = {route.path for route in routes() if not in_another_table(route)}
    assert ours - {"livez", "readyz", "healthz", "metrics"} == {template.partition("?")[0] for template in TABLE}


@pytest.mark.parametrize("persona", [who for who in PERSONAS if not who.anonymous], ids=str)
def test_every_persona_gets_the_answer_in_the_table(persona, db, tmp_path):
    world = world_of(persona, tmp_path)
    client = browser_of(world.user)
    wrong = []
    for turn, (template, methods) in enumerate(TABLE.items()):
        for method in methods_tried(persona, methods, turn):
            for case in methods.get(method, [None]):
                # A method that a page lacks must not reveal the order either.
                wanted = expected(case, persona) if case else Answer(405 if found(methods, persona) else 404)
                _, got = knock(client, world, method, world.path(template), case)
                if got != wanted:
                    wrong.append(f"{method} {template} {case.right if case else ''}: {got}, expected {wanted}")
    assert not wrong, "\n".join(wrong)


def by_script(case, answer):
    """The answer to htmx: it never redirects, and a refused button returns only a message."""
    if answer == case.ok:
        return replace(answer, status=200)
    if answer == Answer(302, "error"):
        return Answer(409, "error")
    return answer if answer.status == 409 or (answer.status == 403 and _asks(case)) else replace(answer, said="error")


def _asks(case):
    return case.suspended.status == 409


@pytest.mark.parametrize("persona", [who for who in PERSONAS if not who.anonymous], ids=str)
def test_scripts_get_no_more_than_forms(persona, db, tmp_path):
    world = world_of(persona, tmp_path)
    client = browser_of(world.user)
    wrong = []
    for template in FORMS:
        for case in TABLE[template]["POST"]:
            wanted = by_script(case, expected(case, persona))
            _, got = knock(client, world, "POST", world.path(template), case, **HTMX)
            if got != wanted:
                wrong.append(f"{template} {case.right}: {got}, expected {wanted}")
    for template in TABLE:
        if persona.rights is None and template:
            response, got = knock(client, world, "GET", world.path(template), **HTMX)
            assert (got, response.content) == (Answer(404), b"")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("method", METHODS)
def test_anonymous_user_is_sent_to_the_sign_in_and_back(method, db, tmp_path):
    world = world_of(PERSONAS[0], tmp_path)
    client = Client()
    for template in TABLE:
        path = world.path(template)
        response, answer = knock(client, world, method, path)
        assert (answer, response["Location"]) == (Answer(302), f"{LOGIN}?next={quote(path)}"), path


@pytest.mark.parametrize("method", METHODS)
def test_htmx_request_without_a_session_is_told_so(method, db, tmp_path):
    world = world_of(PERSONAS[0], tmp_path)
    client = Client()
    for template in TABLE:
        response, answer = knock(client, world, method, world.path(template), **HTMX)
        assert (answer, response.content) == (Answer(401), b""), template


@pytest.mark.parametrize("template", FORMS)
def test_a_form_that_does_not_come_from_our_own_page_is_refused(template, db, tmp_path):
    world = world_of(next(persona for persona in PERSONAS if persona.owner), tmp_path)
    client = browser_of(world.user, enforce_csrf_checks=True)
    for case in TABLE[template]["POST"]:
        for headers in ({}, HTMX):
            _, answer = knock(client, world, "POST", world.path(template), case, **headers)
            assert answer == Answer(403)


@pytest.mark.parametrize("template", [path for path in TABLE if path.startswith(BACKUP)])
def test_the_backup_of_another_order_is_not_there(template, db, tmp_path):
    """Another user's backup and one of another order alike: the unfiltered list is shown, with a message."""
    world = world_of(next(persona for persona in PERSONAS if persona.owner), tmp_path)
    client = browser_of(world.user)
    own_elsewhere = ProvisionFactory(order=OrderFactory(customer=world.order.customer))
    for backup in (BackupFactory(), BackupFactory(provision=own_elsewhere)):
        there = replace(world, backup=backup)
        for method, cases in TABLE[template].items():
            response, answer = knock(client, world, method, there.path(template), replace(cases[0], before=None))
            if template.endswith("detail/"):
                assert (answer, response["HX-Redirect"]) == (Answer(200), f"/orders/{world.order.id}/")
                continue
            assert answer == Answer(404, "warning"), method
            if method != "HEAD":
                page = response.content.decode()
                assert 'id="backups"' in page
                assert "There is no such backup, or it was deleted." in page
                assert backup.name not in page


def test_the_work_of_another_order_is_not_there(db, tmp_path):
    world = world_of(next(persona for persona in PERSONAS if persona.owner), tmp_path)
    client = browser_of(world.user)
    template = "orders/{order}/operations/{operation}/cancel/"
    own_elsewhere = OrderFactory(customer=world.order.customer)
    for order in (OrderFactory(), own_elsewhere):
        there = replace(world, operation=OperationFactory(order=order, state="queued"))
        _, answer = knock(client, world, "POST", there.path(template))
        assert answer == Answer(404)


@pytest.mark.parametrize("template", [path for path in TABLE if path.startswith(SCHEDULE)])
def test_the_schedule_of_another_order_is_not_there(template, db, tmp_path):
    world = world_of(next(persona for persona in PERSONAS if persona.owner), tmp_path)
    client = browser_of(world.user)
    own_elsewhere = OrderFactory(customer=world.order.customer)
    for schedule in (ScheduleFactory(), ScheduleFactory(order=own_elsewhere)):
        there = replace(world, of_order=schedule)
        for method, cases in TABLE[template].items():
            response, answer = knock(client, world, method, there.path(template), cases[0])
            assert answer == Answer(404), method
            assert schedule.name not in response.content.decode()


def test_an_order_that_is_not_there_and_one_that_is_hidden_look_the_same(db, tmp_path):
    world = world_of(next(persona for persona in PERSONAS if persona.name == "outsider"), tmp_path)
    client = browser_of(world.user)
    hidden, _ = knock(client, world, "GET", f"/orders/{world.order.id}/")
    missing, _ = knock(client, world, "GET", f"/orders/{uuid4()}/")
    nonsense, _ = knock(client, world, "GET", "/orders/nonsense/")
    assert {response.status_code for response in (hidden, missing, nonsense)} == {404}
    assert len({_without_ids(response) for response in (hidden, missing, nonsense)}) == 1
    assert world.order.name not in hidden.content.decode()


def _without_ids(response):
    page = response.content.decode().replace(response["X-Request-ID"], "")
    return re.sub(r'name="csrfmiddlewaretoken" value="\w+"|\?next=[^"]*', "", page)


def test_the_orders_of_an_outsider_are_none(db, tmp_path):
    world = world_of(next(persona for persona in PERSONAS if persona.name == "outsider"), tmp_path)
    page = browser_of(world.user).get("/").content.decode()
    assert "No orders yet" in page
    assert world.order.name not in page
