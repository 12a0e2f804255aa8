"""Events become notices: for whom, on which channels, and how many messages."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from notices.kinds import QUIET, URGENT, EventKind
from notices.models import Channel, Delivery, DeliveryEvent, DeliveryState, Digest, Dispatch, Event, Notice
from notices.selectors import DEFAULT, notices_of
from notices.services import routing
from notices.services.events import event_record, event_record_once, failures_in_a_row, heartbeat_signal
from notices.services.preferences import mails_end, preference_clear, preference_set
from notices.services.routing import events_route
from orders.rights import OrderRight
from orders.services.orders import member_grant, member_withdraw
from orders.services.suspension import order_suspend
from tests.factories import (
    EndpointFactory,
    EventFactory,
    NoticeFactory,
    OrderFactory,
    OrderGroupPermissionFactory,
    UserFactory,
)

K = EventKind
pytestmark = pytest.mark.django_db


def told(user):
    return set(Notice.objects.filter(user=user).values_list("event__kind", flat=True))


def mails(user):
    return list(Delivery.objects.filter(channel=Channel.MAIL, user=user).order_by("created_at"))


def test_owner_and_members_are_told_and_nobody_else(order):
    member, in_group, outsider, gone = (UserFactory(email=f"{n}@example.com") for n in range(4))
    member_grant(order=order, user=member, right=OrderRight.VIEW, actor=None)
    in_group.groups.add(OrderGroupPermissionFactory(content_object=order, right="view_order").group)
    member_grant(order=order, user=gone, right=OrderRight.VIEW, actor=None)
    gone.is_active = False
    gone.save()
    event_record(kind=K.BACKUP_FAILED, order=order)
    assert events_route() == 1
    for user in (order.customer.owner, member, in_group):
        assert told(user) == {K.BACKUP_FAILED}
        assert len(mails(user)) == 1
    assert not Notice.objects.filter(user__in=[outsider, gone]).exists()
    assert not Delivery.objects.filter(user__in=[outsider, gone]).exists()


def test_an_event_is_routed_once(order):
    event_record(kind=K.BACKUP_FAILED, order=order)
    assert (events_route(), events_route()) == (1, 0)
    assert Notice.objects.count() == Delivery.objects.count() == 1


def test_event_of_a_transaction_that_is_rolled_back_is_never_told(order):
    with transaction.atomic():
        event_record(kind=K.BACKUP_FAILED, order=order)
        transaction.set_rollback(True)
    assert events_route() == 0


def test_defaults_mail_what_is_urgent_and_keep_the_inbox_free_of_routine(order):
    for kind in K:
        event_record(kind=kind, order=order)
    events_route()
    owner = order.customer.owner
    assert told(owner) == set(K) - QUIET
    (mail,) = mails(owner)
    assert set(mail.events.values_list("kind", flat=True)) == set(URGENT)


def test_the_narrowest_choice_counts(order):
    owner, other = order.customer.owner, OrderFactory(customer=order.customer)
    schedule = UserFactory().id
    preference_set(user=owner, in_page=[K.BACKUP_READY], mail=[])
    preference_set(user=owner, order=order, in_page=[K.RESTORE_FAILED], mail=[K.RESTORE_FAILED])
    routing_of = {}
    for name, where in (("elsewhere", other), ("here", order)):
        for kind in (K.BACKUP_READY, K.RESTORE_FAILED):
            routing_of[name, kind] = event_record(kind=kind, order=where, schedule_id=schedule)
    events_route()
    got = set(Notice.objects.filter(user=owner).values_list("event", flat=True))
    assert got == {routing_of["elsewhere", K.BACKUP_READY].id, routing_of["here", K.RESTORE_FAILED].id}
    (mail,) = mails(owner)
    assert list(mail.events.all()) == [routing_of["here", K.RESTORE_FAILED]]
    preference_clear(user=owner, order=order)
    event_record(kind=K.RESTORE_FAILED, order=order)
    events_route()
    assert set(Notice.objects.filter(user=owner).values_list("event", flat=True)) == got


def test_choice_for_a_schedule_goes_before_that_of_its_order(order, monkeypatch):
    owner, schedule = order.customer.owner, UserFactory().id
    monkeypatch.setattr("notices.selectors._schedules", [lambda _order: [(schedule, "Nightly")]])
    preference_set(user=owner, order=order, in_page=[], mail=[])
    preference_set(user=owner, order=order, schedule_id=schedule, in_page=[K.BACKUP_READY], mail=[])
    event_record(kind=K.BACKUP_READY, order=order, schedule_id=schedule)
    event_record(kind=K.BACKUP_READY, order=order)
    events_route()
    (notice,) = Notice.objects.filter(user=owner)
    assert notice.event.schedule_id == schedule


def test_a_hundred_failures_of_one_storage_are_one_mail(order):
    orders = [order, *(OrderFactory(customer=order.customer) for _ in range(99))]
    for failed in orders:
        event_record(kind=K.BACKUP_FAILED, order=failed)
    events_route()
    (mail,) = mails(order.customer.owner)
    assert mail.events.count() == 100
    # Others that come while it waits are in the same mail.
    event_record(kind=K.BACKUP_FAILED, order=order)
    events_route()
    assert mails(order.customer.owner) == [mail]
    assert mail.events.count() == 101


def test_after_a_mail_the_next_one_waits(order):
    now = timezone.now()
    first = Delivery.objects.create(
        channel=Channel.MAIL, user=order.customer.owner, not_before=now, state=DeliveryState.DELIVERED, claimed_at=now
    )
    event_record(kind=K.BACKUP_FAILED, order=order)
    events_route()
    (mail,) = [mail for mail in mails(order.customer.owner) if mail != first]
    assert routing.PAUSE - timedelta(seconds=5) < mail.not_before - now <= routing.PAUSE


def test_a_mail_that_was_tried_takes_no_more_events(order):
    tried = Delivery.objects.create(
        channel=Channel.MAIL, user=order.customer.owner, not_before=timezone.now(), attempts=1
    )
    event_record(kind=K.BACKUP_FAILED, order=order)
    events_route()
    assert tried.events.count() == 0
    assert len(mails(order.customer.owner)) == 2


@pytest.mark.parametrize(
    ("digest", "zone", "now", "then"),
    [
        (Digest.HOURLY, "", "2026-06-01T10:20:00", "2026-06-01T11:00:00"),
        (Digest.DAILY, "", "2026-06-01T07:59:00", "2026-06-01T08:00:00"),
        (Digest.DAILY, "", "2026-06-01T08:00:00", "2026-06-02T08:00:00"),
        (Digest.DAILY, "Asia/Tokyo", "2026-06-01T01:00:00", "2026-06-01T23:00:00"),
        (Digest.DAILY, "Europe/Berlin", "2026-03-28T12:00:00", "2026-03-29T06:00:00"),
        (Digest.DAILY, "No/Zone", "2026-06-01T01:00:00", "2026-06-01T08:00:00"),
        (Digest.AT_ONCE, "", "2026-06-01T10:20:00", "2026-06-01T10:20:20"),
    ],
)
def test_the_time_of_a_mail(digest, zone, now, then):
    begin, end = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (now, then))
    assert routing._when(begin, digest=digest, last=None, zone=zone) == end


def test_webhooks_get_their_events_one_by_one_and_discord_gets_several(order):
    every = EndpointFactory(order=order)
    only_ready = EndpointFactory(order=order, events=[K.BACKUP_READY])
    off = EndpointFactory(order=order, active=False)
    discord = EndpointFactory(order=order, discord=True)
    schedule = UserFactory().id
    of_schedule = EndpointFactory(order=order, schedule_id=schedule)
    EndpointFactory(order=order, heartbeat=True)
    elsewhere = EndpointFactory()
    ready = event_record(kind=K.BACKUP_READY, order=order, schedule_id=schedule)
    failed = event_record(kind=K.BACKUP_FAILED, order=order)
    events_route()

    def got(endpoint):
        rows = Delivery.objects.filter(endpoint=endpoint).order_by("created_at")
        return [set(row.events.values_list("id", flat=True)) for row in rows]

    assert sorted(map(sorted, got(every))) == sorted([[ready.id], [failed.id]])
    assert got(only_ready) == got(of_schedule) == [{ready.id}]
    assert got(discord) == [{ready.id, failed.id}]
    assert got(off) == got(elsewhere) == []
    assert set(Delivery.objects.filter(endpoint=every).values_list("message_id", flat=True)) == {ready.id, failed.id}


def test_staff_are_told_of_the_portal_and_not_of_orders(order, django_user_model):
    from django.contrib.auth.models import Permission

    clerk, bare = UserFactory(is_staff=True), UserFactory(is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="view_all_orders"))
    root = UserFactory(is_staff=True, is_superuser=True)
    event_record(kind=K.TARGET_UNREACHABLE, params={"name": "Disk"})
    event_record(kind=K.BACKUP_FAILED, order=order)
    events_route()
    assert told(clerk) == told(root) == {K.TARGET_UNREACHABLE}
    assert told(bare) == set()
    assert told(order.customer.owner) == {K.BACKUP_FAILED}
    assert not Delivery.objects.filter(channel=Channel.STAFF).exists()


def test_staff_channels_collect_what_matters_to_the_host(order, settings):
    settings.SAVEPOINT_STAFF_CHANNELS = ("json://127.0.0.1:9",)
    event_record(kind=K.TARGET_UNREACHABLE, params={"name": "Disk"})
    event_record(kind=K.BACKUP_FAILING, order=order)
    event_record(kind=K.BACKUP_READY, order=order)
    events_route()
    (message,) = Delivery.objects.filter(channel=Channel.STAFF)
    assert set(message.events.values_list("kind", flat=True)) == {K.TARGET_UNREACHABLE, K.BACKUP_FAILING}


def test_a_state_that_goes_on_is_told_once_an_hour(order):
    target = UserFactory().id
    assert event_record_once(kind=K.TARGET_UNREACHABLE, subject_id=target, order=order)
    assert event_record_once(kind=K.TARGET_UNREACHABLE, subject_id=target, order=order) is None
    assert event_record_once(kind=K.TARGET_UNREACHABLE, subject_id=target)
    Event.objects.update(created_at=timezone.now() - timedelta(minutes=61))
    assert event_record_once(kind=K.TARGET_UNREACHABLE, subject_id=target, order=order)


def test_failures_in_a_row_are_counted_for_each_provision(order):
    one, other = UserFactory().id, UserFactory().id
    for kind, provision in [
        (K.BACKUP_FAILED, one),
        (K.BACKUP_READY, one),
        (K.BACKUP_FAILED, other),
        *[(K.BACKUP_FAILED, one)] * 3,
    ]:
        event_record(kind=kind, order=order, provision_id=provision)
    assert failures_in_a_row(order=order, provision_id=one) == 3
    assert failures_in_a_row(order=order, provision_id=other) == 1
    assert failures_in_a_row(order=order, provision_id=UserFactory().id) == 0


def test_suspension_is_an_event_only_when_it_begins(order):
    since = timezone.now()
    for _ in range(2):
        order_suspend(order=order, since=since, actor=None)
    assert Event.objects.filter(kind=K.ORDER_SUSPENDED).count() == 1
    order_suspend(order=order, since=None, actor=None)
    assert Event.objects.count() == 1


def test_heartbeats_of_order_and_schedule_are_signalled(order):
    schedule, other = UserFactory().id, UserFactory().id
    whole = EndpointFactory(order=order, heartbeat=True)
    own = EndpointFactory(order=order, heartbeat=True, schedule_id=schedule)
    EndpointFactory(order=order, heartbeat=True, schedule_id=other)
    EndpointFactory(order=order, heartbeat=True, active=False)
    EndpointFactory(order=order)
    assert heartbeat_signal(order=order, signal="start", schedule_id=schedule) == 2
    assert set(Delivery.objects.values_list("endpoint", flat=True)) == {whole.id, own.id}
    assert heartbeat_signal(order=order, signal="success") == 1


def test_the_end_of_mails_ends_also_those_that_wait(order):
    owner = order.customer.owner
    preference_set(user=owner, order=order, in_page=[], mail=[K.BACKUP_FAILED])
    event_record(kind=K.BACKUP_FAILED, order=order)
    events_route()
    assert len(mails(owner)) == 1
    mails_end(user=owner)
    event_record(kind=K.BACKUP_FAILED, order=order)
    event_record(kind=K.BACKUP_FAILED, order=OrderFactory(customer=order.customer))
    events_route()
    assert mails(owner) == []
    assert told(owner) == {K.BACKUP_FAILED}
    assert DEFAULT.in_page


def test_user_without_an_address_gets_no_mail(order):
    owner = order.customer.owner
    owner.email = ""
    owner.save()
    event_record(kind=K.BACKUP_FAILED, order=order)
    events_route()
    assert (told(owner), mails(owner)) == ({K.BACKUP_FAILED}, [])


def test_inbox_hides_orders_that_the_user_lost(order):
    member = UserFactory()
    member_grant(order=order, user=member, right=OrderRight.VIEW, actor=None)
    NoticeFactory(user=member, event=EventFactory(order=order))
    assert notices_of(member).count() == 1
    member_withdraw(order=order, user=member, right=OrderRight.VIEW, actor=None)
    assert notices_of(member).count() == 0


def test_ten_thousand_notices_are_queued_in_seconds(order):
    orders = [order, *(OrderFactory(customer=order.customer) for _ in range(9))]
    EndpointFactory(order=order)
    Event.objects.bulk_create(
        Event(kind=K.BACKUP_FAILED, order=orders[number % 10], params={"name": f"{number}"}) for number in range(10_000)
    )
    began = time.monotonic()
    assert events_route() == 10_000
    took = time.monotonic() - began
    assert Notice.objects.count() == 10_000
    assert DeliveryEvent.objects.filter(delivery__channel=Channel.MAIL).count() == 10_000
    assert Delivery.objects.filter(channel=Channel.WEBHOOK).count() == 1000
    assert took < 10, f"{took:.1f} s"
    assert Dispatch.objects.count() <= 1
