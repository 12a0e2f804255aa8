"""A backup that fails is told by a mail and a signed webhook, and its recovery as well: real workers, real servers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import ssl
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from provisions.certificates import FOR_SIDECARS, authority_make, certificate_sign, key_make, key_pem
from tests.notices.receiver import Arrived, Receiver, receiver
from tests.processes.portal import Portal, portal
from tests.processes.waiting import wait_until
from tests.services.smtp import SmtpServer, smtp_server

CUSTOMER, MEMBER = "customer@example.com", "member@example.com"
"""The owner of the order, and the user with a right on it."""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Portal, SmtpServer, Receiver]]:
    folder = tmp_path_factory.mktemp("told")
    authority, server = certificates(folder)
    with smtp_server(tls=server) as mails, receiver() as hooks:
        settings = {
            "SAVEPOINT_MAIL_URL": f"smtps://localhost:{mails.port}",
            "SAVEPOINT_MAIL_FROM": "Backups <backups@example.com>",
            "SAVEPOINT_WEBHOOK_ORIGINS": hooks.origin,
            "SSL_CERT_FILE": str(authority),
        }
        with portal(folder / "home", megabytes=1, settings=settings) as found:
            yield found, mails, hooks


def certificates(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """An authority, and the mail server's certificate by it."""
    issuer, _expires_at = authority_make()
    key, day = key_make(), timedelta(days=1)
    signed = certificate_sign(
        issuer=issuer, public_key=key.public_key(), name="localhost", usage=FOR_SIDECARS, life=day
    )
    authority, chain = folder / "authority.pem", folder / "server.pem"
    authority.write_text(issuer.certificate)
    chain.write_text(key_pem(key) + signed.certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return authority, context


def verified(arrived: Arrived, secret: str) -> dict[str, Any]:
    """The content of a message, its signature checked by the letter of Standard Webhooks and by no library of ours."""
    sent, at = arrived.headers["webhook-id"], arrived.headers["webhook-timestamp"]
    assert abs(time.time() - int(at)) < 300
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"{sent}.{at}.".encode() + arrived.body, hashlib.sha256).digest()
    assert f"v1,{base64.b64encode(mac).decode()}" in arrived.headers["webhook-signature"].split()
    content: dict[str, Any] = json.loads(arrived.body)
    return content


def test_failure_is_mailed_and_posted_and_recovery_clears_it(told: tuple[Portal, SmtpServer, Receiver]) -> None:
    running, mails, hooks = told
    wanted = ["backup.failed", "backup.recovered"]
    answer = running.api("POST", f"orders/{running.order}/webhooks/", {"url": hooks.url(), "events": wanted})
    assert answer.status == 201, answer
    secret = answer.json["secret"]
    aside = running.world.with_name("aside")
    running.world.rename(aside)
    failed = running.api("POST", running.backups, {"name": "Before the update"}).json["id"]
    assert running.ended(failed, status="failed")["operation"]["error"]["code"] == "source_failed"

    wait_until(lambda: hooks.arrived, seconds=30, what="the webhook of the failure")
    content = verified(hooks.arrived[0], secret)
    assert (content["type"], content["data"]["object"]) == ("backup.failed", failed)
    assert content["data"]["error"]["code"] == "source_failed"
    wait_until(lambda: len(mails.mails) == 2, seconds=50, what="the mails of the failure")
    assert sorted(mails.recipients) == [[CUSTOMER], [MEMBER]]
    mail = mails.mails[mails.recipients.index([CUSTOMER])]
    assert "Backup failed" in mail["Subject"]
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    for kind in ("plain", "html"):
        body = mail.get_body([kind])
        assert body is not None
        assert "Before the update" in body.get_content()

    aside.rename(running.world)
    assert running.backup()["status"] == "ready"
    wait_until(lambda: len(hooks.arrived) == 2, seconds=30, what="the webhook of the recovery")
    assert verified(hooks.arrived[1], secret)["type"] == "backup.recovered"
    sent = wait_until(lambda: delivered(running, answer.json["id"]), seconds=10, what="the list of deliveries")
    assert sent == [(["backup.recovered"], 204), (["backup.failed"], 204)]
    logs = running.logs()
    assert secret not in logs
    assert secret.removeprefix("whsec_") not in logs


def delivered(running: Portal, webhook: str) -> list[tuple[list[str], int]]:
    """The deliveries of a webhook, newest first, once all of them have their answer."""
    rows = running.api("GET", f"orders/{running.order}/webhooks/{webhook}/deliveries/").json["results"]
    return [(row["events"], row["status"]) for row in rows] if {row["state"] for row in rows} == {"delivered"} else []
