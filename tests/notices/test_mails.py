"""Mails with notices: content, language, the way out, and servers that refuse or are away."""

from __future__ import annotations

import re

import pytest
from django.conf import settings as django_settings
from django.utils import translation
from django.utils.html import escape

from notices.kinds import EventKind
from notices.models import Channel, Delivery, DeliveryState, Event
from notices.sending.dispatch import notices_dispatch
from notices.services.events import StoredError, event_record
from notices.services.preferences import preference_set, unsubscribe_token
from orders.rights import OrderRight
from orders.services.orders import member_grant, member_withdraw
from tests.factories import DeliveryFactory, EventFactory, OrderFactory, UserFactory
from tests.notices.dispatching import dispatch, due_now, only
from tests.services.smtp import smtp_server

K = EventKind
pytestmark = pytest.mark.django_db


@pytest.fixture
def mail_server(settings):
    with smtp_server() as found:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", found.port
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
        yield found


def test_mail_has_text_and_html_in_the_language_of_its_reader(order, mail_server):
    owner = order.customer.owner
    owner.language, owner.time_zone = "de", "Europe/Berlin"
    owner.save()
    event_record(
        kind=K.BACKUP_FAILED, order=order, params={"name": "<b>Nacht</b>"}, error=StoredError("storage_full", {})
    )
    dispatch()
    (mail,) = mail_server.mails
    assert mail_server.recipients == [["owner@example.com"]]
    text, html = (mail.get_body([kind]).get_content() for kind in ("plain", "html"))
    assert "<b>Nacht</b>" in text
    assert "&lt;b&gt;Nacht&lt;/b&gt;" in html
    assert 'lang="de"' in html
    assert "World" in mail["Subject"]
    assert f"/orders/{order.id}/" in text
    assert str(mail["Auto-Submitted"]) == "auto-generated"
    assert only(channel=Channel.MAIL).state == DeliveryState.DELIVERED


@pytest.mark.parametrize("language", [code for code, _name in django_settings.LANGUAGES])
def test_mail_is_written_in_each_language(order, mail_server, language):
    owner = order.customer.owner
    owner.language = language
    owner.save()
    event_record(
        kind=K.BACKUP_FAILED, order=order, params={"name": "Nacht"}, error=StoredError("storage_unavailable", {})
    )
    event_record(kind=K.TARGET_UNREACHABLE, order=order, params={"name": "Disk"})
    dispatch()
    (mail,) = mail_server.mails
    html = mail.get_body(["html"]).get_content()
    assert f'lang="{language}" dir="{"rtl" if language == "ar" else "ltr"}"' in html
    with translation.override(language):
        wanted = [escape(event.sentence) for event in Event.objects.all()]
    assert all(sentence in html for sentence in wanted)
    # "Backup failed" is translated for long.
    assert ("Backup failed" in html) == (language == "en")


def test_mail_is_unsubscribed_by_one_click_without_a_session(order, mail_server, client):
    event_record(kind=K.BACKUP_FAILED, order=order)
    dispatch()
    (mail,) = mail_server.mails
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    (address,) = re.findall(r"^<(\S+)>$", str(mail["List-Unsubscribe"]).strip())
    assert address.startswith(f"{django_settings.SAVEPOINT_URL}/accounts/unsubscribe/")
    path = address.removeprefix(django_settings.SAVEPOINT_URL)
    assert client.get(path).status_code == 200
    event_record(kind=K.BACKUP_FAILED, order=order)
    dispatch()
    assert len(mail_server.mails) == 2, "a GET of a mail scanner ended the mails"
    assert client.post(path, {"List-Unsubscribe": "One-Click"}).status_code == 200
    event_record(kind=K.BACKUP_FAILED, order=order)
    dispatch()
    assert len(mail_server.mails) == 2


def test_unsubscribe_link_of_another_address_or_forged_is_nothing(order, client):
    owner = order.customer.owner
    token = unsubscribe_token(owner)
    owner.email = "new@example.com"
    owner.save()
    for bad in (token, "forged", f"{token}x"):
        assert client.post(f"/accounts/unsubscribe/{bad}/").status_code == 404


def test_a_storm_is_one_mail_with_numbers(order, mail_server):
    for number in range(100):
        failed = OrderFactory(customer=order.customer, name=f"Server {number}")
        event_record(
            kind=K.BACKUP_FAILED, order=failed, params={"name": "Nightly"}, error=StoredError("storage_unavailable", {})
        )
    dispatch()
    (mail,) = mail_server.mails
    text = mail.get_body(["plain"]).get_content()
    assert "(100)" in mail["Subject"]
    assert text.count("could not be created") == 10
    assert "And 90 more." in text


def test_reader_who_lost_the_order_meanwhile_gets_no_mail_of_it(order, mail_server):
    member = UserFactory(email="member@example.com")
    member_grant(order=order, user=member, right=OrderRight.VIEW, actor=None)
    preference_set(user=order.customer.owner, in_page=[], mail=[])
    event_record(kind=K.BACKUP_FAILED, order=order)
    notices_dispatch()
    member_withdraw(order=order, user=member, right=OrderRight.VIEW, actor=None)
    due_now()
    notices_dispatch()
    assert mail_server.mails == []
    assert only(user=member).state == DeliveryState.DELIVERED


def test_refused_recipient_does_not_stop_the_others(order, mail_server):
    mail_server.refuses["owner@example.com"] = "550 no such user"
    member = UserFactory(email="member@example.com")
    member_grant(order=order, user=member, right=OrderRight.VIEW, actor=None)
    event_record(kind=K.BACKUP_FAILED, order=order)
    dispatch()
    assert mail_server.recipients == [["member@example.com"]]
    assert only(user=order.customer.owner).error == "recipient_refused"
    assert only(user=member).state == DeliveryState.DELIVERED


def test_a_mail_server_that_is_away_is_asked_once_a_run(order, settings):
    with smtp_server() as gone:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", gone.port
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    for number in range(5):
        user = UserFactory(email=f"{number}@example.com")
        DeliveryFactory(channel=Channel.MAIL, endpoint=None, user=user).events.add(
            EventFactory(order=None, kind=K.TARGET_UNREACHABLE, code="")
        )
    notices_dispatch()
    assert sorted(Delivery.objects.values_list("attempts", flat=True)) == [0, 0, 0, 0, 1]
    with smtp_server() as back:
        settings.EMAIL_PORT = back.port
        due_now()
        notices_dispatch()
        assert len(back.mails) == 5
        assert back.connections == 1
