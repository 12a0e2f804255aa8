"""A daemon that listens with TLS, and test authorities that sign any certificate a test needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import grpc

from provisions.certificates import (
    FOR_SIDECARS,
    FOR_WORKERS,
    Issuer,
    authority_make,
    certificate_sign,
    key_make,
    key_pem,
    request_key,
)
from sidecar_client.channel import channel_open
from sidecar_client.client import Address, SidecarClient, Ticket, Timeouts, TlsIdentity
from tests.sidecar_daemon.daemon import Daemon, any_operation
from wire.contract import WORKER_NAME, sidecar_name

PROVISION = "6b0b8c3e-4b0e-4f83-9a57-0f4b1a6f6d11"
OTHER_PROVISION = "0d5c1e9a-9f0d-4f0e-8a35-6f1f1c0f7b22"
DAY = timedelta(days=1)
PAST = timedelta(minutes=-30)
"""A certificate with this life has expired already."""


@dataclass
class Authority:
    issuer: Issuer = field(default_factory=lambda: authority_make()[0])

    @property
    def pem(self) -> bytes:
        return self.issuer.certificate.encode()

    def sign(self, request: bytes, *, provision: str = PROVISION, life: timedelta = DAY) -> bytes:
        """Sign a sidecar's certificate request."""
        signed = certificate_sign(
            issuer=self.issuer,
            public_key=request_key(request),
            name=sidecar_name(provision),
            usage=FOR_SIDECARS,
            life=life,
        )
        return signed.certificate.encode()

    def pair(self, name: str, usage=FOR_WORKERS, *, life: timedelta = DAY) -> tuple[bytes, bytes]:
        """A certificate with any name and use, and its key."""
        key = key_make()
        signed = certificate_sign(issuer=self.issuer, public_key=key.public_key(), name=name, usage=usage, life=life)
        return signed.certificate.encode(), key_pem(key).encode()

    def worker(self, *, believed: bytes | None = None, provision: str = PROVISION, **changes) -> TlsIdentity:
        """A worker's identity; it trusts `believed`, by default this authority."""
        certificate, key = changes.pop("pair", None) or self.pair(WORKER_NAME, **changes)
        return TlsIdentity(
            server_name=sidecar_name(provision), authorities=believed or self.pem, certificate=certificate, key=key
        )


@dataclass
class TlsDaemon(Daemon):
    authority: Authority = field(default_factory=Authority)

    @property
    def tls_folder(self) -> Path:
        return self.folder / "tls"

    def write_config(self, **changes: object) -> Path:
        return super().write_config(**({"token_file": None, "tls_folder": str(self.tls_folder)} | changes))

    def install(self, certificate: bytes, key: bytes, *, authorities: bytes | None = None) -> None:
        """Write the files into the daemon's TLS folder."""
        self.tls_folder.mkdir(mode=0o700, exist_ok=True)
        for name, content in (
            ("key.pem", key),
            ("certificate.pem", certificate),
            ("authorities.pem", authorities or self.authority.pem),
        ):
            (self.tls_folder / name).write_bytes(content)
            (self.tls_folder / name).chmod(0o600)

    def install_signed(self, *, provision: str = PROVISION, life: timedelta = DAY) -> None:
        self.install(*self.authority.pair(sidecar_name(provision), FOR_SIDECARS, life=life))

    def tls_client(self, tls: TlsIdentity | None = None, *, fence: int = 1) -> SidecarClient:
        return SidecarClient(
            address=self.address,
            token="",
            ticket=Ticket(operation=any_operation(), fence=fence),
            timeouts=Timeouts(describe=5, reply=5, stall=5),
            tls=tls or self.authority.worker(),
        )

    @contextmanager
    def tls_channel(self, tls: TlsIdentity) -> Iterator[grpc.Channel]:
        with channel_open(address=Address(target=self.address, token="", tls=tls)) as channel:
            yield channel

    def called(self) -> list[str]:
        """The methods of admitted calls, from the daemon's log."""
        return [line for line in self.log if " operation=" in line]
