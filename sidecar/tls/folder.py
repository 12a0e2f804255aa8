"""The folder of a sidecar's certificate; a crash at any point leaves a usable set of files.

    key.pem          this sidecar's key, generated here; it never leaves
    certificate.pem  this sidecar's identity, signed by an authority of the portal
    authorities.pem  the authorities that may sign a caller's certificate
    key.new.pem      the key of the latest certificate request

The certificate determines the right key: after a crash between two steps it is the new key, which then replaces the
old one.
"""

from __future__ import annotations

import os
import stat
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

from sidecar.tls.certificates import (
    CertificateError,
    Identity,
    authorities_check,
    certificate_name,
    key_fits,
    key_make,
    request_make,
    signer_require,
)

_KEY: Final = "key.pem"
_NEW_KEY: Final = "key.new.pem"
_CERTIFICATE: Final = "certificate.pem"
_AUTHORITIES: Final = "authorities.pem"
_ANYBODY_ELSE: Final = stat.S_IRWXG | stat.S_IRWXO

Stamp = tuple[tuple[int, int, int], ...]
"""Inode, change time and size of each file. An inode number can be reused and mtime can be set; ctime cannot."""


class TlsFolder:
    """The folder; thread-safe. Every method may raise `CertificateError`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def create(self) -> None:
        """Create the folder, for its owner only, unless it exists."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise CertificateError(f"cannot be made: {error.strerror}") from None
        self._require_private(self.path)

    def stamp(self) -> Stamp:
        """A value that changes whenever the files change."""
        return tuple(self._stamp(name) for name in (_KEY, _CERTIFICATE, _AUTHORITIES))

    def load(self) -> Identity:
        """The identity in the files, checked to be usable."""
        with self._lock:
            self._require_private(self.path)
            certificate, authorities = self._read(_CERTIFICATE), self._read(_AUTHORITIES)
            authorities_check(authorities)
            return Identity(
                name=certificate_name(certificate),
                key=self._key_of(certificate),
                certificate=certificate,
                authorities=authorities,
            )

    def request(self) -> bytes:
        """Generate a new key beside the current one, and a request for its certificate: PKCS #10, DER."""
        key = key_make()
        with self._lock:
            self._write(_NEW_KEY, key)
        return request_make(key)

    def install(self, *, certificate: bytes, authorities: bytes, name: str) -> None:
        """Install the certificate of the latest key. It must have that name and be signed by one of the authorities."""
        if certificate_name(certificate) != name:
            raise CertificateError("the certificate is another sidecar's")
        signer_require(certificate=certificate, authorities=authorities)
        with self._lock:
            if not key_fits(key=self._read(_NEW_KEY), certificate=certificate):
                raise CertificateError("the certificate does not belong to the latest key")
            self._write(_AUTHORITIES, authorities)
            self._write(_CERTIFICATE, certificate)
            self._key_advance()

    def _key_of(self, certificate: bytes) -> bytes:
        """The key of the certificate. A new key replaces the old one now, if a crash prevented that."""
        if self._exists(_KEY) and key_fits(key=self._read(_KEY), certificate=certificate):
            return self._read(_KEY)
        if self._exists(_NEW_KEY) and key_fits(key=self._read(_NEW_KEY), certificate=certificate):
            self._key_advance()
            return self._read(_KEY)
        raise CertificateError("the certificate does not belong to the key")

    def _key_advance(self) -> None:
        try:
            # The daemon and `enrol` may both see that this is due: one of them comes second.
            with suppress(FileNotFoundError):
                (self.path / _NEW_KEY).replace(self.path / _KEY)
            self._sync()
        except OSError as error:
            raise CertificateError(f"{_KEY} cannot be written: {error.strerror}") from None

    def _exists(self, name: str) -> bool:
        return (self.path / name).exists()

    def _stamp(self, name: str) -> tuple[int, int, int]:
        try:
            found = (self.path / name).stat()
        except OSError:
            return (0, 0, 0)
        return (found.st_ino, found.st_ctime_ns, found.st_size)

    def _read(self, name: str) -> bytes:
        path = self.path / name
        if name in (_KEY, _NEW_KEY):
            self._require_private(path)
        try:
            return path.read_bytes()
        except OSError as error:
            raise CertificateError(f"{name} cannot be read: {error.strerror}") from None

    def _write(self, name: str, content: bytes) -> None:
        """Write a file atomically, readable by its owner only, and sync it."""
        written = self.path / f"{name}.partial"
        try:
            written.unlink(missing_ok=True)
            descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor has no path
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            written.replace(self.path / name)
            self._sync()
        except OSError as error:
            raise CertificateError(f"{name} cannot be written: {error.strerror}") from None

    def _sync(self) -> None:
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _require_private(self, path: Path) -> None:
        try:
            mode = path.stat().st_mode
        except OSError as error:
            raise CertificateError(f"{path.name} cannot be read: {error.strerror}") from None
        if mode & _ANYBODY_ELSE:
            raise CertificateError(f"{path.name} must be accessible to its owner only")
