"""The pages of notices, through the front door."""

from __future__ import annotations

import pytest
from django.utils import timezone

from notices.kinds import EventKind
from notices.models import Channel, Delivery, DeliveryState, Endpoint, Notice, Preference
from notices.services.events import event_record
from notices.services.routing import events_route
from tests.factories import (
    DeliveryFactory,
    EndpointFactory,
    EventFactory,
    NoticeFactory,
    OrderFactory,
    ScheduleFactory,
    UserFactory,
)
from tests.web.backups.reading import read
from tests.world.clients import browser_of

K = EventKind
pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(order):
    return browser_of(order.customer.owner)


def page_of(order, rest=""):
    return f"/orders/{order.id}/notifications/{rest}"


def badge(browser):
    link = read(browser.get("/")).one("a", id="inbox-link")
    return "".join(found.text for found in link.all("span", class_="badge"))


def test_page_has_the_links_of_all_pages_of_the_order(order, browser):
    there = {link["href"] for link in read(browser.get(page_of(order))).one("nav", class_="tabs").all("a")}
    elsewhere = {link["href"] for link in read(browser.get(f"/orders/{order.id}/")).one("nav", class_="tabs").all("a")}
    assert there == elsewhere
    assert f"/orders/{order.id}/files/" in there


def test_choice_for_a_schedule_is_made_on_the_page_and_counts(order, browser):
    owner = order.customer.owner
    nightly = ScheduleFactory(order=order, name="Nightly")
    foreign = ScheduleFactory()
    page = read(browser.get(f"{page_of(order)}?schedule={nightly.id}"))
    assert "Nightly" in page.one("nav", class_="filters").text
    assert str(foreign.id) not in str(browser.get(page_of(order)).content)
    for schedule in (nightly, foreign):
        chosen = {"in_page": [K.BACKUP_READY], "mail": [K.BACKUP_READY], "schedule": str(schedule.id)}
        assert browser.post(page_of(order, "choice/"), chosen).status_code == 302
    # A schedule of somebody else is no scope: the choice is one for the order.
    assert set(Preference.objects.values_list("order", "schedule_id")) == {(order.id, nightly.id), (order.id, None)}
    browser.post(page_of(order, "choice/"), {"reset": "1"})
    for schedule in (nightly.id, None):
        event_record(kind=K.BACKUP_READY, order=order, schedule_id=schedule)
    events_route()
    (notice,) = Notice.objects.filter(user=owner)
    assert notice.event.schedule_id == nightly.id


def test_address_for_one_schedule_is_added_on_the_page(order, browser, there):
    nightly = ScheduleFactory(order=order, name="Nightly")
    fields = {"kind": "heartbeat", "url": there.url("/ping"), "schedule": str(nightly.id)}
    assert browser.post(page_of(order, "add/"), fields).status_code == 302
    assert Endpoint.objects.get().schedule_id == nightly.id
    assert browser.post(page_of(order, "add/"), {**fields, "schedule": str(order.id)}).status_code == 400


def test_inbox_counts_what_is_unread_and_marks_one_and_all(order, browser):
    owner = order.customer.owner
    notices = [NoticeFactory(user=owner, event=EventFactory(order=order)) for _ in range(3)]
    foreign = NoticeFactory(user=UserFactory(), event=EventFactory(order=order))
    assert badge(browser) == "3 unread"
    browser.post("/inbox/", {"notice": str(notices[0].id)})
    assert badge(browser) == "2 unread"
    browser.post("/inbox/", {"notice": str(foreign.id)})
    browser.post("/inbox/", {"notice": "x"})
    assert badge(browser) == "2 unread"
    browser.post("/inbox/", {"notice": "all"})
    assert badge(browser) == ""
    foreign.refresh_from_db()
    assert foreign.read_at is None


def test_badge_stops_counting_at_a_hundred(order, browser):
    event = [EventFactory(order=order) for _ in range(101)]
    Notice.objects.bulk_create(Notice(user=order.customer.owner, event=one) for one in event)
    assert badge(browser) == "99+ unread"


def test_badge_does_not_count_orders_that_the_user_lost(order):
    user = UserFactory()
    NoticeFactory(user=user, event=EventFactory(order=order))
    assert badge(browser_of(user)) == ""


def test_secret_is_on_one_page_once_and_nowhere_else(order, browser, there, caplog):
    answer = browser.post(page_of(order, "add/"), {"kind": "webhook", "url": there.url("/in/token")})
    secret = read(answer).one("code", class_="secret").text
    endpoint = Endpoint.objects.get()
    assert (secret, answer.headers["Cache-Control"]) == (endpoint.secret, "no-store")
    root = browser_of(UserFactory(is_staff=True, is_superuser=True))
    pages = [
        browser.get(page_of(order)),
        browser.get(page_of(order, f"{endpoint.id}/")),
        browser.get(f"/api/v1/orders/{order.id}/webhooks/"),
        browser.get(f"/api/v1/orders/{order.id}/webhooks/{endpoint.id}/"),
        root.get("/admin/notices/endpoint/"),
        root.get(f"/admin/notices/endpoint/{endpoint.id}/change/"),
        root.get("/admin/notices/delivery/"),
        root.get("/admin/accounts/auditevent/"),
        browser.get(f"/orders/{order.id}/activity/"),
    ]
    assert {page.status_code for page in pages} == {200}
    for page in pages:
        assert secret.encode() not in page.content
    for page in pages[4:]:
        assert b"/in/token" not in page.content
    rotated = read(browser.post(page_of(order, f"{endpoint.id}/rotate/"))).one("code", class_="secret").text
    assert rotated not in (secret, "")
    assert secret not in caplog.text
    assert rotated not in caplog.text


def test_answer_of_a_receiver_is_never_markup(order, browser):
    endpoint = EndpointFactory(order=order)
    DeliveryFactory(
        endpoint=endpoint, state=DeliveryState.FAILED, status=500, error="receiver_refused",
        answer="<script>alert(1)</script>" + "x" * 4000, finished_at=timezone.now(),
    )  # fmt: skip
    content = browser.get(page_of(order, f"{endpoint.id}/")).content.decode()
    assert "<script>alert" not in content
    assert "&lt;script&gt;alert(1)" in content
    assert "x" * 300 not in content


def test_requests_send_nothing_themselves(order, browser, there):
    """A test and a replay are queued; only a worker connects."""
    endpoint = EndpointFactory(order=order, url=there.url())
    over = DeliveryFactory(endpoint=endpoint, state=DeliveryState.DELIVERED, finished_at=timezone.now())
    assert browser.post(page_of(order, f"{endpoint.id}/test/")).status_code == 302
    assert browser.post(page_of(order, f"{endpoint.id}/deliveries/{over.id}/replay/")).status_code == 302
    assert Delivery.objects.filter(state=DeliveryState.QUEUED, channel=Channel.WEBHOOK).count() == 2
    assert there.arrived == []


def test_choices_of_the_account_are_shown_as_they_were_saved(order, browser):
    chosen = {"in_page": [K.BACKUP_FAILED], "mail": [], "digest": "daily"}
    assert browser.post("/account/notices/", chosen).status_code == 302
    page = read(browser.get("/account/notices/"))
    checked = {box["value"] for box in page.all("input", type="checkbox") if "checked" in box.attributes}
    assert checked == {"backup.failed"}
    assert OrderFactory(customer=order.customer)
