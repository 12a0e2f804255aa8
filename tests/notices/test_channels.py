"""Discord, heartbeats and staff channels: their messages, and how many there are."""

from __future__ import annotations

import json
import logging

import pytest

from notices.kinds import EventKind
from notices.models import Channel, Delivery, DeliveryState
from notices.sending import lanes
from notices.sending.dispatch import notices_dispatch
from notices.services.events import event_record, heartbeat_signal
from operations.models import OperationState
from schedules.services.runs import schedule_run
from tests.factories import EndpointFactory, ScheduleFactory
from tests.notices.dispatching import dispatch, only

K = EventKind
pytestmark = pytest.mark.django_db


def test_heartbeat_is_pinged_at_start_success_and_failure(order, there):
    EndpointFactory(order=order, heartbeat=True, url=there.url("/ping/token?x=1"))
    for signal in ("start", "success", "failure"):
        heartbeat_signal(order=order, signal=signal)
        notices_dispatch()
    assert [arrived.path for arrived in there.arrived] == [
        "/ping/token/start?x=1", "/ping/token?x=1", "/ping/token/fail?x=1",
    ]  # fmt: skip
    assert "webhook-signature" not in there.arrived[0].headers


def test_runs_of_a_schedule_ping_its_heartbeat_and_no_other(linked, there):
    schedule = ScheduleFactory(order=linked.order, provision=linked.server)
    own = EndpointFactory(order=linked.order, heartbeat=True, schedule_id=schedule.id, url=there.url("/own"))
    EndpointFactory(
        order=linked.order, heartbeat=True, schedule_id=ScheduleFactory(order=linked.order).id, url=there.url("/other")
    )
    aside = linked.daemon.world.with_name("aside")
    for ends in (OperationState.SUCCEEDED, OperationState.FAILED):
        schedule_run(user=linked.owner, schedule=schedule)
        assert linked.work().state == ends
        notices_dispatch()
        if ends == OperationState.SUCCEEDED:
            linked.daemon.world.rename(aside)
    assert [arrived.path for arrived in there.arrived] == ["/own", "/own/fail"]
    signals = Delivery.objects.filter(endpoint=own).order_by("created_at").values_list("signal", flat=True)
    assert list(signals) == ["start", "success", "start", "failure"]


def test_a_newer_signal_takes_the_place_of_one_that_waits(order, there):
    endpoint = EndpointFactory(order=order, heartbeat=True, url=there.url("/ping"))
    heartbeat_signal(order=order, signal="start")
    heartbeat_signal(order=order, signal="success")
    notices_dispatch()
    assert [arrived.path for arrived in there.arrived] == ["/ping"]
    states = Delivery.objects.filter(endpoint=endpoint).order_by("created_at").values_list("state", "error")
    assert list(states) == [(DeliveryState.FAILED, "superseded"), (DeliveryState.DELIVERED, "")]


def test_discord_gets_one_message_of_many_events_that_mentions_nobody(order, there, monkeypatch):
    sent = []
    monkeypatch.setattr(lanes, "request_send", lambda outgoing: (sent.append(outgoing), lanes.Answer(status=204))[1])
    EndpointFactory(order=order, discord=True, language="de")
    for number in range(25):
        event_record(kind=K.BACKUP_FAILED, order=order, params={"name": f"@everyone [x](https://evil) {number}"})
    dispatch()
    (outgoing,) = sent
    body = json.loads(outgoing.body)
    assert outgoing.url.startswith("https://discord.com/api/webhooks/")
    assert body["allowed_mentions"] == {"parse": []}
    assert len(body["embeds"]) == 10
    assert "16" in body["embeds"][-1]["description"]
    assert "](" not in body["embeds"][0]["description"]
    assert body["embeds"][0]["url"].endswith(f"/orders/{order.id}/")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_staff_channels_get_one_message(order, there, settings):
    settings.SAVEPOINT_STAFF_CHANNELS = (f"json://127.0.0.1:{there.port}/staff",)
    event_record(kind=K.TARGET_UNREACHABLE, params={"name": "Disk"})
    event_record(kind=K.BACKUP_FAILING, order=order, params={"name": "Nightly", "count": 3})
    dispatch()
    (arrived,) = there.arrived
    said = json.loads(arrived.body)
    assert "Disk" in said["message"]
    assert "World" in said["message"]
    assert only(channel=Channel.STAFF).state == DeliveryState.DELIVERED


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_staff_channel_that_fails_is_tried_again_and_its_token_not_logged(order, there, settings, caplog):
    there.status = 500
    channels = (f"json://user:hidden-word@127.0.0.1:{there.port}/hidden-path", "nonsense://hidden-token")
    settings.SAVEPOINT_STAFF_CHANNELS = channels
    event_record(kind=K.TARGET_UNREACHABLE, params={"name": "Disk"})
    with caplog.at_level(logging.DEBUG):
        dispatch()
    assert [arrived.path for arrived in there.arrived] == ["/hidden-path"]
    failed = only(channel=Channel.STAFF)
    assert (failed.state, failed.error) == (DeliveryState.QUEUED, "delivery_failed")
    assert "staff channels was not taken" in caplog.text
    assert "hidden" not in caplog.text
