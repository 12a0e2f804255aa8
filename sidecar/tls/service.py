"""The two methods on the wire for this sidecar's certificate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from sidecar.calls.calls import Calls
from sidecar.errors import Refused
from sidecar.tls.certificates import CertificateError
from sidecar.tls.folder import TlsFolder
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire


class Certificates:
    """Renews the certificate in a folder; without a folder, every call is refused."""

    def __init__(self, *, folder: TlsFolder | None, calls: Calls) -> None:
        self._folder = folder
        self._calls = calls

    def request_certificate(
        self, request: wire.RequestCertificateRequest, context: grpc.ServicerContext
    ) -> wire.RequestCertificateReply:
        """Generate a key and return a request for its certificate."""
        with self._calls.running("RequestCertificate", request.ticket, context), self._renewing() as folder:
            return wire.RequestCertificateReply(request=folder.request())

    def install_certificate(
        self, request: wire.InstallCertificateRequest, context: grpc.ServicerContext
    ) -> wire.InstallCertificateReply:
        """Install that certificate, for new connections. It must have this sidecar's current name."""
        with self._calls.running("InstallCertificate", request.ticket, context), self._renewing() as folder:
            folder.install(certificate=request.chain, authorities=request.authorities, name=folder.load().name)
            return wire.InstallCertificateReply()

    def handlers(self) -> dict[str, grpc.RpcMethodHandler[Any, Any]]:
        """The methods under their names on the wire."""
        return {
            "RequestCertificate": grpc.unary_unary_rpc_method_handler(
                self.request_certificate,
                wire.RequestCertificateRequest.FromString,
                wire.RequestCertificateReply.SerializeToString,
            ),
            "InstallCertificate": grpc.unary_unary_rpc_method_handler(
                self.install_certificate,
                wire.InstallCertificateRequest.FromString,
                wire.InstallCertificateReply.SerializeToString,
            ),
        }

    @contextmanager
    def _renewing(self) -> Iterator[TlsFolder]:
        if self._folder is None:
            raise Refused("This sidecar does not use TLS.")
        try:
            yield self._folder
        except CertificateError as error:
            raise Refused(f"The certificate was not changed: {error}.") from error
