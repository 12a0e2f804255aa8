"""Messages are signed, sent once, tried for a day, and held back from nobody else by a receiver that stalls."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future
from datetime import timedelta

import pytest
from django.utils import timezone
from standardwebhooks import Webhook, WebhookVerificationError

from notices.kinds import EventKind
from notices.models import Delivery, DeliveryState, Dispatch, Endpoint, Event
from notices.sending import lanes
from notices.sending.dispatch import claims_recover, notices_dispatch, notices_due, notices_expire
from notices.sending.lanes import DELAYS, HEALTHY, LANES, delivery_claim
from notices.services.endpoints import delivery_replay, endpoint_rotate, endpoint_test, endpoint_update
from notices.services.events import StoredError, event_record
from notices.services.routing import events_route
from tests.factories import DeliveryFactory, EndpointFactory, EventFactory, NoticeFactory, UserFactory
from tests.notices.dispatching import dispatch, due_now, only
from tests.notices.receiver import receiver

K = EventKind
pytestmark = pytest.mark.django_db


def test_webhook_arrives_signed_by_the_standard(order, there):
    endpoint = EndpointFactory(order=order, url=there.url("/in?a=b"))
    backup = UserFactory().id
    event = event_record(
        kind=K.BACKUP_FAILED, order=order, subject_id=backup, params={"name": "Nightly"},
        error=StoredError("storage_unavailable", {}),
    )  # fmt: skip
    notices_dispatch()
    (arrived,) = there.arrived
    body = Webhook(endpoint.secret).verify(arrived.body, arrived.headers)
    assert arrived.path == "/in?a=b"
    assert arrived.headers["content-type"] == "application/json"
    assert arrived.headers["webhook-id"] == f"msg_{event.id.hex}"
    assert body["type"] == "backup.failed"
    assert body["timestamp"].endswith("Z")
    assert body["data"]["order"] == str(order.id)
    assert body["data"]["object"] == str(backup)
    assert body["data"]["error"]["code"] == "storage_unavailable"
    assert body["data"]["detail"] == "“Nightly” could not be created."
    with pytest.raises(WebhookVerificationError):
        Webhook(endpoint.secret).verify(arrived.body + b" ", arrived.headers)
    sent = only(endpoint=endpoint)
    assert (sent.state, sent.status, sent.attempts) == (DeliveryState.DELIVERED, 204, 1)
    assert sent.seconds is not None


def test_after_a_rotation_both_secrets_sign_for_a_day(order, there):
    endpoint = EndpointFactory(order=order, url=there.url())
    old = endpoint.secret
    new = endpoint_rotate(user=order.customer.owner, endpoint=endpoint).secret
    assert new != old
    event_record(kind=K.BACKUP_READY, order=order)
    notices_dispatch()
    for secret in (old, new):
        Webhook(secret).verify(there.arrived[0].body, there.arrived[0].headers)
    Endpoint.objects.update(old_secret_until=timezone.now())
    event_record(kind=K.BACKUP_READY, order=order)
    notices_dispatch()
    Webhook(new).verify(there.arrived[1].body, there.arrived[1].headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(there.arrived[1].body, there.arrived[1].headers)


def test_second_rotation_keeps_the_secret_that_the_first_has_shown(order):
    endpoint = EndpointFactory(order=order)
    first, second = (endpoint_rotate(user=order.customer.owner, endpoint=endpoint) for _ in range(2))
    assert (second.old_secret, second.secret not in (first.secret, endpoint.secret)) == (first.secret, True)


def test_message_is_tried_for_a_day_and_then_given_up(order, there):
    there.status = 500
    endpoint = EndpointFactory(order=order, url=there.url())
    event_record(kind=K.BACKUP_READY, order=order)
    pauses = []
    for _ in range(len(DELAYS) + 3):
        began = timezone.now()
        notices_dispatch()
        pauses.append((only(endpoint=endpoint).not_before - began).total_seconds())
        due_now()
    found = only(endpoint=endpoint)
    assert (found.state, found.error, found.attempts) == (DeliveryState.FAILED, "receiver_refused", len(DELAYS) + 1)
    assert len(there.arrived) == len(DELAYS) + 1
    assert len({arrived.headers["webhook-id"] for arrived in there.arrived}) == 1
    assert len({arrived.body for arrived in there.arrived}) == 1
    for pause, wanted in zip(pauses, DELAYS, strict=False):
        assert wanted <= pause < wanted + 30
    assert 20 * 3600 < sum(DELAYS) < 26 * 3600


def test_failed_receiver_is_held_and_freed_by_its_first_answer(order, there):
    there.status = 503
    endpoint = EndpointFactory(order=order, url=there.url())
    for _ in range(3):
        event_record(kind=K.BACKUP_READY, order=order)
    notices_dispatch()
    # One attempt for three messages: the receiver is away for all of them.
    assert len(there.arrived) == 1
    endpoint.refresh_from_db()
    assert endpoint.failures == 1
    assert endpoint.held_until > timezone.now()
    there.status = 200
    Endpoint.objects.update(held_until=None)
    notices_dispatch()
    assert Delivery.objects.filter(state=DeliveryState.DELIVERED).count() == 3
    endpoint.refresh_from_db()
    assert (endpoint.failures, endpoint.held_until) == (0, None)


def test_receiver_that_is_gone_is_turned_off(order, there):
    there.status = 410
    endpoint = EndpointFactory(order=order, url=there.url())
    event_record(kind=K.BACKUP_READY, order=order)
    notices_dispatch()
    endpoint.refresh_from_db()
    assert not endpoint.active
    assert only(endpoint=endpoint).state == DeliveryState.FAILED
    event_record(kind=K.BACKUP_READY, order=order)
    dispatch()
    assert len(there.arrived) == 1
    there.status = 200
    endpoint_update(user=order.customer.owner, endpoint=Endpoint.objects.select_related("order").get(), active=True)
    event_record(kind=K.BACKUP_READY, order=order)
    dispatch()
    assert len(there.arrived) == 2


def test_a_stalled_receiver_delays_no_other(order, there, settings, monkeypatch):
    monkeypatch.setattr("notices.sending.requests.TIMEOUT_SECONDS", 2.0)
    over = threading.Event()
    with receiver() as stalled:
        stalled.answering = lambda _handler: over.wait(20)
        settings.SAVEPOINT_WEBHOOK_ORIGINS |= {stalled.origin}
        for _ in range(2):
            EndpointFactory(order=order, url=stalled.url())
        EndpointFactory(order=order, url=there.url())
        for _ in range(20):
            event_record(kind=K.BACKUP_READY, order=order)
        send = lanes.request_send
        monkeypatch.setattr(lanes, "request_send", lambda outgoing: send(outgoing, timeout=1.5))
        began = time.monotonic()
        notices_dispatch()
        took = time.monotonic() - began
        over.set()
    assert len(there.arrived) == 20
    # One attempt at each stalled receiver, at the same time, and no second one.
    assert len(stalled.arrived) == 2
    assert took < 6


def test_test_message_is_sent_once_and_says_how_it_ended(order, there):
    there.status, there.body = 400, b"no \x00 way"
    endpoint = EndpointFactory(order=order, url=there.url(), active=False)
    made = endpoint_test(user=order.customer.owner, endpoint=endpoint)
    notices_dispatch()
    due_now()
    notices_dispatch()
    made.refresh_from_db()
    assert (made.state, made.status, made.answer) == (DeliveryState.FAILED, 400, "no \ufffd way")
    (arrived,) = there.arrived
    assert Webhook(endpoint.secret).verify(arrived.body, arrived.headers)["type"] == "webhook.test"
    endpoint.refresh_from_db()
    assert endpoint.failures == 0


def test_replay_has_the_same_id_and_content(order, there):
    endpoint = EndpointFactory(order=order, url=there.url())
    event_record(kind=K.BACKUP_READY, order=order, params={"name": "x"})
    notices_dispatch()
    delivery_replay(user=order.customer.owner, delivery=only(endpoint=endpoint), endpoint=endpoint)
    notices_dispatch()
    first, second = there.arrived
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert Delivery.objects.filter(state=DeliveryState.DELIVERED).count() == 2


def test_run_whose_time_is_over_begins_no_message(order, there):
    EndpointFactory(order=order, url=there.url())
    event_record(kind=K.BACKUP_READY, order=order)
    events_route()
    assert lanes.Sending(until=time.monotonic()).run() == 0
    assert there.arrived == []
    assert lanes.Sending(until=time.monotonic() + 10).run() == 1


def test_a_full_lane_takes_no_more_and_one_message_of_each_receiver(order):
    most = LANES[HEALTHY]
    for _ in range(most + 2):
        endpoint = EndpointFactory(order=order)
        for _ in range(2):
            DeliveryFactory(endpoint=endpoint)
    sending = lanes.Sending(until=time.monotonic() + 10)
    taken = []
    for claimed in sending._claims():
        taken.append(claimed)
        sending._pending[Future()] = claimed
    assert len(taken) == most
    assert len({claimed.delivery.endpoint_id for claimed in taken}) == most


def test_a_message_is_claimed_by_one_worker(order):
    queued = DeliveryFactory()
    assert delivery_claim(queued) is not None
    assert delivery_claim(queued) is None


def test_a_second_dispatch_does_nothing_while_one_goes_on(order, there):
    EndpointFactory(order=order, url=there.url())
    event_record(kind=K.BACKUP_READY, order=order)
    Dispatch.objects.create(id=1, until=timezone.now() + timedelta(minutes=1))
    assert notices_dispatch() == 0
    assert there.arrived == []
    Dispatch.objects.update(until=timezone.now())
    assert notices_dispatch() == 1


def test_messages_of_a_worker_that_died_are_sent_again(order, there):
    endpoint = EndpointFactory(order=order, url=there.url())
    lost = DeliveryFactory(endpoint=endpoint)
    delivery_claim(lost)
    assert claims_recover() == 0
    Delivery.objects.update(claimed_at=timezone.now() - timedelta(minutes=6))
    notices_dispatch()
    assert len(there.arrived) == 1
    assert only(endpoint=endpoint).state == DeliveryState.DELIVERED


def test_messages_that_could_never_be_tried_are_given_up(order):
    held = DeliveryFactory(endpoint=EndpointFactory(held_until=timezone.now() + timedelta(days=1)))
    Delivery.objects.update(created_at=timezone.now() - timedelta(hours=27))
    assert claims_recover() == 1
    held.refresh_from_db()
    assert (held.state, held.error) == (DeliveryState.FAILED, "given_up")


def test_an_address_whose_key_is_gone_stops_only_itself(order, there, caplog):
    broken, whole = (EndpointFactory(order=order, url=there.url()) for _ in range(2))
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("UPDATE notices_endpoint SET url = %s WHERE id = %s", [b"\x01" * 80, _pk(broken)])
    event_record(kind=K.BACKUP_READY, order=order)
    with caplog.at_level(logging.WARNING):
        notices_dispatch()
    assert only(endpoint_id=whole.id).state == DeliveryState.DELIVERED
    assert only(endpoint_id=broken.id).error == "delivery_failed"


def _pk(row):
    from django.db import connection

    return row.id.hex if connection.vendor == "sqlite" else row.id


def test_secrets_are_neither_in_logs_nor_in_rows(order, there, caplog):
    there.status = 500
    endpoint = EndpointFactory(order=order, url=there.url("/secret-token"))
    event_record(kind=K.BACKUP_READY, order=order)
    with caplog.at_level(logging.DEBUG):
        notices_dispatch()
    assert "secret-token" not in caplog.text
    assert endpoint.secret not in caplog.text
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT url, secret FROM notices_endpoint")
        assert all(b"secret-token" not in bytes(value) and b"whsec_" not in bytes(value) for value in cursor.fetchone())


def test_old_events_and_messages_are_forgotten(order):
    old, new = EventFactory(order=order), EventFactory(order=order)
    notice = NoticeFactory(event=old)
    waits, over = DeliveryFactory(), DeliveryFactory(state=DeliveryState.DELIVERED)
    Event.objects.filter(id=old.id).update(created_at=timezone.now() - timedelta(days=91))
    Delivery.objects.update(created_at=timezone.now() - timedelta(days=31))
    assert notices_expire() == 2
    assert list(Event.objects.all()) == [new]
    assert not type(notice).objects.exists()
    assert list(Delivery.objects.all()) == [waits]
    assert over.id


def test_the_tick_finds_work(order):
    assert not notices_due()
    event_record(kind=K.BACKUP_FAILED, order=order)
    assert notices_due()
    notices_dispatch()
    assert not notices_due()
    due_now()
    assert notices_due()


@pytest.mark.parametrize("ahead", ["lease", "endpoint", "message"])
def test_clock_that_was_set_back_holds_nothing_up(order, there, ahead):
    endpoint = EndpointFactory(order=order, url=there.url())
    event_record(kind=K.BACKUP_READY, order=order, params={"name": "Nightly"})
    year = timezone.now() + timedelta(days=365)
    if ahead == "lease":
        Dispatch.objects.update_or_create(id=1, defaults={"until": year})
    elif ahead == "endpoint":
        Endpoint.objects.filter(id=endpoint.id).update(failures=3, held_until=year)
    else:
        DeliveryFactory(endpoint=endpoint, not_before=year)
        Event.objects.all().delete()
    notices_dispatch()
    assert len(there.arrived) == 1
