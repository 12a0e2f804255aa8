"""`python -m sidecar enrol`: exchange an operator's one-time token from the portal for this sidecar's certificate.

The key is generated here and never leaves. The portal receives the token and a request, and returns the certificate.
"""

from __future__ import annotations

import argparse
import getpass
import ipaddress
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sidecar.config import config_read
from sidecar.errors import StartError
from sidecar.tls.certificates import CertificateError
from sidecar.tls.folder import TlsFolder
from wire.contract import sidecar_name

_PATH: Final = "/api/v1/sidecars/enrol/"
_ANSWER_BYTES: Final = 1 << 20
_PATIENCE_SECONDS: Final = 30.0
_REFUSED: Final = 401


def enrol(arguments: list[str]) -> None:
    """Enrol this sidecar, and say so on stdout. Raises `StartError` with a one-line reason."""
    parser = argparse.ArgumentParser(
        prog="savepoint-sidecar enrol",
        description="Exchange a one-time token of the portal for this sidecar's certificate.",
    )
    parser.add_argument("--portal", required=True, metavar="URL", help="the portal, https://…")
    parser.add_argument("--config", required=True, type=Path, metavar="FILE", help="the sidecar's configuration, TOML")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="where the token is (default: standard input)")
    options = parser.parse_args(arguments)
    url = _address(options.portal)
    path = config_read(options.config).tls_folder
    if path is None:
        raise StartError(f"{options.config}: 'tls_folder' is missing")
    token = _token(options.token_file)
    folder = TlsFolder(path)
    try:
        folder.create()
        name = _exchange(url=url, token=token, folder=folder)
    except CertificateError as error:
        raise StartError(f"{path}: {error}") from error
    sys.stdout.write(f"enrolled as {name}\n")


def _exchange(*, url: str, token: str, folder: TlsFolder) -> str:
    """Request and install the certificate; returns this sidecar's new name."""
    request = x509.load_der_x509_csr(folder.request()).public_bytes(Encoding.PEM)
    answer = _post(url, {"token": token, "request": request.decode()})
    values = [
        answer.get(key) if isinstance(answer, dict) else None for key in ("certificate", "authorities", "provision")
    ]
    if not all(isinstance(value, str) for value in values):
        raise StartError("the portal's answer is not understood")
    certificate, authorities, provision = (str(value) for value in values)
    name = sidecar_name(provision)
    folder.install(certificate=certificate.encode(), authorities=authorities.encode(), name=name)
    return name


def _address(portal: str) -> str:
    parts = urlsplit(portal)
    if parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname or "")):
        return portal.rstrip("/") + _PATH
    raise StartError("--portal must begin with https://: the token must not cross a network in plain text")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _token(path: Path | None) -> str:
    try:
        if path is not None:
            return path.read_text(encoding="ascii").strip()
        return (getpass.getpass("Token: ") if sys.stdin.isatty() else sys.stdin.readline()).strip()
    except OSError as error:
        raise StartError(f"the token cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        # The decoder's message would quote the token.
        raise StartError("the token was not issued by a portal") from None


def _post(url: str, body: dict[str, str]) -> Any:
    """Post and return the JSON answer. Redirects are refused, and for this machine also proxies are not used."""
    request = urllib.request.Request(  # noqa: S310 - the scheme was checked
        url, json.dumps(body).encode(), {"Content-Type": "application/json", "Accept": "application/json"}
    )
    openers: list[Any] = [_NoRedirects()]
    if url.startswith("http:"):
        openers.append(urllib.request.ProxyHandler({}))
    try:
        with urllib.request.build_opener(*openers).open(request, timeout=_PATIENCE_SECONDS) as answer:
            return json.loads(answer.read(_ANSWER_BYTES))
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == _REFUSED:
            raise StartError("the portal rejected the token: it is wrong, used or expired") from None
        raise StartError(f"the portal answered with {error.code}") from None
    except (OSError, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else type(error).__name__
        raise StartError(f"the portal cannot be reached: {reason}") from None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: Any, **_values: Any) -> NoReturn:
        raise StartError("the portal answered with a redirect: give the address that it leads to")
