"""TLS for connections from other machines: callers need a certificate, and changed files apply at once."""

from __future__ import annotations

import logging
from typing import Any

import grpc

from sidecar.tls.certificates import CertificateError, Identity
from sidecar.tls.folder import TlsFolder

_log = logging.getLogger("sidecar")


def tls_credentials(folder: TlsFolder) -> grpc.ServerCredentials:
    """Credentials that reread the folder for each connection. Raises `CertificateError`."""
    following = _Following(folder)
    # The stubs do not allow None as an answer.
    changed: Any = following.changed
    return grpc.dynamic_ssl_server_credentials(following.first, changed, require_client_authentication=True)


class _Following:
    """The folder's identity; if new files cannot be used, the previous identity stays in use."""

    def __init__(self, folder: TlsFolder) -> None:
        self._folder = folder
        # Taken before the files are read, so that a later change is noticed.
        self._stamp = folder.stamp()
        self.first = _configuration(folder.load())

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Called for each new connection: the configuration if the files have changed, else None."""
        stamp = self._folder.stamp()
        if stamp == self._stamp:
            return None
        self._stamp = stamp
        try:
            identity = self._folder.load()
        except CertificateError as error:
            _log.warning("the new certificate cannot be used, the previous one stays in use: %s", error)
            return None
        _log.info("a new certificate is in use")
        return _configuration(identity)


def _configuration(identity: Identity) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(identity.key, identity.certificate)], root_certificates=identity.authorities
    )
