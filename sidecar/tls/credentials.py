"""Connections from beyond this machine: TLS, the caller's certificate required, files that may change meanwhile."""

from __future__ import annotations

import logging
from typing import Any

import grpc

from sidecar.tls.certificates import CertificateError, Identity
from sidecar.tls.folder import TlsFolder

_log = logging.getLogger("sidecar")


def tls_credentials(folder: TlsFolder) -> grpc.ServerCredentials:
    """Credentials that follow the folder from one connection to the next. Raises `CertificateError`."""
    following = _Following(folder)
    # The stubs do not know that None is an answer.
    changed: Any = following.changed
    return grpc.dynamic_ssl_server_credentials(following.first, changed, require_client_authentication=True)


class _Following:
    """The folder's identity; when new files cannot be used, the one before stays."""

    def __init__(self, folder: TlsFolder) -> None:
        self._folder = folder
        # Taken before reading: what changes in between is read again.
        self._stamp = folder.stamp()
        self.first = _configuration(folder.load())

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """For each new connection: the configuration when the files have changed, else None."""
        stamp = self._folder.stamp()
        if stamp == self._stamp:
            return None
        self._stamp = stamp
        try:
            identity = self._folder.load()
        except CertificateError as error:
            _log.warning("the certificate stays as it was, the new one cannot be used: %s", error)
            return None
        _log.info("a new certificate is in use")
        return _configuration(identity)


def _configuration(identity: Identity) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(identity.key, identity.certificate)], root_certificates=identity.authorities
    )
