"""A portal and a sidecar that enrols with it: the daemon and `enrol` as processes, the portal as its services."""

# ruff: noqa: S108 - /tmp is a name on the wire, not this machine's folder

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from config.chores import CHORES
from provisions.models import SidecarAuthority, SidecarCertificate
from provisions.services import sidecar_certificates
from provisions.services.sidecar_address import sidecar_address
from provisions.services.sidecar_authority import authorities_retire, authority_create, authority_rotate
from provisions.services.sidecar_certificates import (
    sidecar_certificate_renew,
    sidecar_certificate_revoke,
    sidecar_certificates_renew_due,
)
from provisions.services.sidecar_enrolment import enrolment_create, sidecar_enrol
from sidecar_client.client import SidecarClient, Ticket, Timeouts
from sidecar_client.errors import Refused, SidecarUnavailable
from tests.factories import ProvisionFactory
from tests.provisions.conftest import request_pem
from tests.sidecar_daemon.daemon import PROJECT, any_operation
from tests.sidecar_daemon.tls_daemon import TlsDaemon

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def place(transactional_db, tmp_path):
    """A sidecar's row, and the daemon that will enrol as it."""
    authority_create()
    daemon = TlsDaemon(tmp_path)
    daemon.write_config()
    yield ProvisionFactory(sidecar=True), daemon
    daemon.close()
    assert not any("Traceback" in line for line in daemon.log), "".join(daemon.log)


def enrol(daemon: TlsDaemon, portal: str, token: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "sidecar",
        "enrol",
        "--portal",
        portal,
        "--config",
        f"{daemon.folder}/sidecar.toml",
    ]
    return subprocess.run(
        [*command, *arguments],
        input=token + "\n",
        capture_output=True,
        text=True,
        cwd=PROJECT,
        timeout=60,
        check=False,
    )


@pytest.fixture
def enrolled(place, live_server):
    sidecar, daemon = place
    done = enrol(daemon, live_server.url, enrolment_create(sidecar=sidecar, hours=1))
    assert done.returncode == 0, done.stderr
    daemon.start()
    sidecar.address = daemon.address
    sidecar.save()
    return sidecar, daemon


def client_of(sidecar) -> SidecarClient:
    address = sidecar_address(sidecar)
    return SidecarClient(
        address=address.target,
        token=address.token,
        ticket=Ticket(operation=any_operation(), fence=1),
        timeouts=Timeouts(describe=5, reply=5, stall=5),
        tls=address.tls,
    )


def reached(sidecar) -> bool:
    with client_of(sidecar) as client:
        return bool(client.describe().version)


def in_use(sidecar) -> SidecarCertificate:
    return sidecar.certificates.get(installed_at__isnull=False, ended_at=None)


def believed(daemon: TlsDaemon) -> str:
    return (daemon.tls_folder / "authorities.pem").read_text()


def test_a_sidecar_enrols_and_its_files_are_backed_up_and_restored(enrolled):
    sidecar, daemon = enrolled
    (daemon.world / "level.dat").write_bytes(b"first")
    with client_of(sidecar) as client:
        with client.archive_stream(
            source="/data", output="/tmp/out", on_progress=lambda _: None, cancelled=lambda: False
        ) as stream:
            packed = b"".join(stream)
        (daemon.world / "level.dat").write_bytes(b"second")
        client.file_write(path="/tmp/in", size=len(packed), chunks=[packed])
        client.archive_extract(
            source="/tmp/in", destination="/data", mode="replace", on_progress=lambda _: None, cancelled=lambda: False
        )
    assert (daemon.world / "level.dat").read_bytes() == b"first"


def test_enrolling_keeps_the_key_here_and_says_nothing_secret(place, live_server, tmp_path):
    sidecar, daemon = place
    token = enrolment_create(sidecar=sidecar, hours=1)
    token_file = tmp_path / "one-time"
    token_file.write_text(token + "\n")
    done = enrol(daemon, live_server.url, "", "--token-file", str(token_file))
    assert (done.returncode, done.stdout) == (0, f"enrolled as {sidecar.id}.sidecar.savepoint\n")
    assert daemon.tls_folder.stat().st_mode & 0o777 == 0o700
    files = {path.name: path.stat().st_mode & 0o777 for path in daemon.tls_folder.iterdir()}
    assert files == {"key.pem": 0o600, "certificate.pem": 0o600, "authorities.pem": 0o600}
    key = (daemon.tls_folder / "key.pem").read_text()
    assert key.startswith("-----BEGIN PRIVATE KEY-----")
    again = enrol(daemon, live_server.url, token)
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr == ("savepoint-sidecar: the portal rejected the token: it is wrong, used or expired\n")
    assert (daemon.tls_folder / "key.pem").read_text() == key
    daemon.start()


@pytest.mark.parametrize(
    ("portal", "named"),
    [
        ("http://portal.example", "--portal must begin with https://"),
        ("http://127.0.0.1.example", "--portal must begin with https://"),
        ("ftp://127.0.0.1", "--portal must begin with https://"),
        ("portal.example", "--portal must begin with https://"),
    ],
)
def test_a_token_is_sent_in_plain_text_to_this_machine_only(place, portal, named):
    _, daemon = place
    done = enrol(daemon, portal, "svpe_secret")
    assert done.returncode == 2
    assert named in done.stderr
    assert "svpe_secret" not in done.stderr


def test_a_portal_that_is_away_or_redirects_is_named(place):
    _, daemon = place
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert "cannot be reached" in enrol(daemon, f"http://127.0.0.1:{port}", "svpe_secret").stderr
    followed = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(307)
            self.send_header("Location", f"http://localhost:{self.server.server_port}/elsewhere/")
            self.end_headers()
            followed.append(self.path)

        do_GET = do_POST  # noqa: N815  # the library's name

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = enrol(daemon, f"http://127.0.0.1:{server.server_port}", "svpe_secret")
        server.shutdown()
    assert "redirect" in done.stderr
    assert followed == ["/api/v1/sidecars/enrol/"]


def test_a_sidecar_of_another_provision_is_refused(enrolled):
    """Its address was mistyped, or its certificate is another's: nothing is sent there."""
    _, daemon = enrolled
    other = ProvisionFactory(sidecar=True, address=daemon.address)
    sidecar_enrol(token=enrolment_create(sidecar=other, hours=1), request=request_pem())
    with pytest.raises(Refused, match="could not prove"):
        reached(other)
    assert daemon.called() == []


def test_unenrolled_remote_sidecar_gets_no_token(enrolled):
    _, daemon = enrolled
    plain = ProvisionFactory(sidecar=True, address=daemon.address)
    with pytest.raises(SidecarUnavailable):
        reached(plain)
    assert daemon.called() == []


def test_revoked_sidecar_is_reachable_after_enrolling_again(enrolled, live_server):
    sidecar, daemon = enrolled
    assert reached(sidecar)
    sidecar_certificate_revoke(sidecar=sidecar)
    with pytest.raises(Refused, match="revoked"):
        reached(sidecar)
    stolen = (daemon.tls_folder / "certificate.pem").read_bytes(), (daemon.tls_folder / "key.pem").read_bytes()
    assert enrol(daemon, live_server.url, enrolment_create(sidecar=sidecar, hours=1)).returncode == 0
    assert reached(sidecar)
    # A thief of the old certificate and key cannot pass for the sidecar, although neither has expired.
    daemon.install(*stolen, authorities=believed(daemon).encode())
    with pytest.raises(Refused, match="could not prove"):
        reached(sidecar)


def test_renewal_replaces_key_and_certificate_and_voids_the_old(enrolled):
    sidecar, daemon = enrolled
    before, key = in_use(sidecar), (daemon.tls_folder / "key.pem").read_bytes()
    issued = sidecar_certificate_renew(sidecar=sidecar)
    assert in_use(sidecar) == issued != before
    assert SidecarCertificate.objects.get(pk=before.pk).ended_at
    assert (daemon.tls_folder / "certificate.pem").read_text() == issued.certificate
    assert (daemon.tls_folder / "key.pem").read_bytes() != key
    assert sidecar_address(sidecar).tls.authorities.decode() == issued.certificate
    assert reached(sidecar)


class Cut(Exception):
    """Simulates the death of the worker."""


def test_interrupted_renewal_keeps_the_sidecar_reachable_and_is_repaired(enrolled, monkeypatch):
    sidecar, _ = enrolled

    def cut(*_, **__):
        raise Cut

    with monkeypatch.context() as patch:
        patch.setattr(SidecarClient, "certificate_install", cut)
        with pytest.raises(Cut):
            sidecar_certificate_renew(sidecar=sidecar)
    assert reached(sidecar)
    with monkeypatch.context() as patch:
        # The sidecar has the new certificate, but the portal does not know it.
        patch.setattr(sidecar_certificates, "_install_note", cut)
        with pytest.raises(Cut):
            sidecar_certificate_renew(sidecar=sidecar)
    assert reached(sidecar)
    assert sidecar.certificates.filter(ended_at=None).count() == 3
    sidecar_certificate_renew(sidecar=sidecar)
    assert reached(sidecar)
    assert sidecar.certificates.filter(ended_at=None).count() == 1


def test_a_renewal_does_not_undo_a_revocation_that_came_meanwhile(enrolled, monkeypatch):
    sidecar, _ = enrolled
    install = SidecarClient.certificate_install

    def revoked_meanwhile(self, **values):
        install(self, **values)
        sidecar_certificate_revoke(sidecar=sidecar)

    def revoked_before_signing(self):
        sidecar_certificate_revoke(sidecar=sidecar)
        return request(self)

    request = SidecarClient.certificate_request
    with monkeypatch.context() as patch:
        patch.setattr(SidecarClient, "certificate_request", revoked_before_signing)
        with pytest.raises(Refused, match="revoked"):
            sidecar_certificate_renew(sidecar=sidecar)
    assert not sidecar.certificates.filter(ended_at=None).exists()
    with pytest.raises(Refused, match="revoked"):
        reached(sidecar)
    SidecarCertificate.objects.filter(pk=sidecar.certificates.latest("id").pk).update(
        ended_at=None, installed_at=timezone.now()
    )
    monkeypatch.setattr(SidecarClient, "certificate_install", revoked_meanwhile)
    with pytest.raises(Refused, match="revoked"):
        sidecar_certificate_renew(sidecar=sidecar)
    assert not sidecar.certificates.filter(ended_at=None).exists()


def test_upkeep_renews_due_certificates_and_retries_after_an_hour(enrolled):
    sidecar, daemon = enrolled
    assert sidecar_certificates_renew_due in [chore.run for chore in CHORES]
    assert sidecar_certificates_renew_due() == 0
    before = in_use(sidecar)
    now = timezone.now()
    # Two thirds of its ninety days.
    assert timedelta(days=59) < before.renew_at - now < timedelta(days=61)
    SidecarCertificate.objects.update(renew_at=now)
    daemon.stop()
    assert sidecar_certificates_renew_due() == 0
    tried = in_use(sidecar).tried_at
    assert tried >= now
    daemon.listen = daemon.address
    daemon.start()
    assert sidecar_certificates_renew_due() == 0
    SidecarCertificate.objects.update(tried_at=tried - timedelta(hours=1, minutes=1))
    assert sidecar_certificates_renew_due() == 1
    assert in_use(sidecar) != before
    assert sidecar_certificates_renew_due() == 0


def test_an_expired_certificate_is_not_tried_in_vain(enrolled):
    SidecarCertificate.objects.update(renew_at=timezone.now(), expires_at=timezone.now())
    assert sidecar_certificates_renew_due() == 0


def test_authorities_rotate_without_a_sidecar_being_lost(enrolled):
    sidecar, daemon = enrolled
    old = SidecarAuthority.objects.get()
    new = authority_rotate()
    assert reached(sidecar)
    with pytest.raises(CommandError, match="1 sidecar still has"):
        call_command("sidecar_ca", "retire")
    assert sidecar_certificates_renew_due() == 1
    assert believed(daemon) == new.certificate + old.certificate
    assert in_use(sidecar).authority == new
    assert reached(sidecar)
    assert authorities_retire() == 1
    assert reached(sidecar)
    SidecarCertificate.objects.update(tried_at=None)
    assert sidecar_certificates_renew_due() == 1
    assert believed(daemon) == new.certificate
    assert reached(sidecar)
    daemon.stop()
    assert not any("PRIVATE" in line for line in daemon.log)


def test_command_renews_and_reports_failures(enrolled, capsys):
    sidecar, daemon = enrolled
    call_command("sidecar_ca", "renew", "--all")
    assert capsys.readouterr().out == "1 renewed, 0 failed\n"
    daemon.stop()
    with pytest.raises(CommandError, match="0 renewed, 1 failed"):
        call_command("sidecar_ca", "renew", str(sidecar.id))
    assert str(sidecar.id) in capsys.readouterr().err
