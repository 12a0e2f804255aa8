"""The environment, read once and strictly: every variable the product knows, its type and its default."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from common.keyring import Keyring, KeyringInvalid
from config.mail import FROM_LIKE, MailInvalid, MailServer, mail_from_read, mail_server_read

SECRETS = (
    "SECRET_KEY",
    "SAVEPOINT_MASTER_KEYS",
    "SAVEPOINT_MAIL_URL",
    "SAVEPOINT_METRICS_TOKEN",
    "SAVEPOINT_STAFF_CHANNELS",
    "SAVEPOINT_HEARTBEAT_URL",
)
"""Read from NAME, from the file NAME_FILE names, or from `$SAVEPOINT_HOME/secrets/NAME`."""

_ORIGIN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[1-9][0-9]{0,4})?")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
LOOPBACK = "127.0.0.0/8,::1/128"
Network = IPv4Network | IPv6Network

KNOWN = frozenset(
    {
        "SAVEPOINT_HOME",
        "SAVEPOINT_HOST",
        "SAVEPOINT_PORT",
        "SAVEPOINT_URL",
        "SAVEPOINT_TRUSTED_PROXIES",
        "SAVEPOINT_WORKERS",
        "SAVEPOINT_OPERATIONS_MAX",
        "SAVEPOINT_TRIAL_MIB",
        "SAVEPOINT_OPERATIONS_PER_HOST",
        "SAVEPOINT_OPERATIONS_PER_TARGET",
        "SAVEPOINT_LOG_LEVEL",
        "SAVEPOINT_MASTER_KEYS",
        "SAVEPOINT_MASTER_KEYS_FILE",
        "SAVEPOINT_MAIL_URL",
        "SAVEPOINT_MAIL_URL_FILE",
        "SAVEPOINT_MAIL_FROM",
        "SAVEPOINT_METRICS_TOKEN",
        "SAVEPOINT_METRICS_TOKEN_FILE",
        "SAVEPOINT_METRICS_NETWORKS",
        "SAVEPOINT_STORAGE_ROOTS",
        "SAVEPOINT_WEBHOOK_ORIGINS",
        "SAVEPOINT_STAFF_CHANNELS",
        "SAVEPOINT_STAFF_CHANNELS_FILE",
        "SAVEPOINT_HEARTBEAT_URL",
        "SAVEPOINT_HEARTBEAT_URL_FILE",
        # Variables of the demo, the tests and the supervisor. They are no settings of the portal, but share its prefix.
        "SAVEPOINT_DEMO_EXIT",
        "SAVEPOINT_TEST_REQUIRE",
        "SAVEPOINT_TEST_DATABASE",
        "SAVEPOINT_SUPERVISOR",
        "SAVEPOINT_DRAIN_FD",
        "SAVEPOINT_ACTIVITY_FD",
    }
)


class EnvironmentInvalid(Exception):
    """A variable is unknown, missing or malformed. The message is one line and holds no secret."""


@dataclass(frozen=True, slots=True, repr=False)
class Environment:
    """The checked environment."""

    home: Path
    host: str
    port: int
    url: str
    trusted_proxies: int
    workers: int
    trial_mib: int
    operations_max: int
    operations_per_host: int
    operations_per_target: int
    log_level: str
    secret_key: str
    master_keys: Keyring
    database: dict[str, object]
    queue: dict[str, object]
    redis_url: str | None
    mail_server: MailServer | None
    mail_from: str
    metrics_token: str | None
    metrics_networks: tuple[Network, ...]
    storage_roots: tuple[Path, ...]
    webhook_origins: frozenset[str]
    staff_channels: tuple[str, ...]
    heartbeat_url: str | None


def environment_read(environ: Mapping[str, str]) -> Environment:
    """Return the checked environment. Raises EnvironmentInvalid with the first mistake."""
    unknown = sorted(name for name in environ if name.startswith("SAVEPOINT_") and name not in KNOWN)
    if unknown:
        raise EnvironmentInvalid(f"{unknown[0]} is not a setting of Savepoint; docs/settings.md lists them all.")
    home = Path(environ.get("SAVEPOINT_HOME") or "var").resolve()
    host = environ.get("SAVEPOINT_HOST") or "127.0.0.1"
    port = _integer(environ, "SAVEPOINT_PORT", default=8000, lowest=1, highest=65535)
    redis_url = _redis_url(environ)
    url = _url(environ, default=_url_default(host, port))
    mail_server = _mail_server(environ, home)
    return Environment(
        home=home,
        host=host,
        port=port,
        url=url,
        trusted_proxies=_integer(environ, "SAVEPOINT_TRUSTED_PROXIES", default=0, lowest=0, highest=10),
        workers=_integer(environ, "SAVEPOINT_WORKERS", default=2, lowest=1, highest=64),
        trial_mib=_integer(environ, "SAVEPOINT_TRIAL_MIB", default=2048, lowest=64, highest=1 << 20),
        operations_max=_integer(environ, "SAVEPOINT_OPERATIONS_MAX", default=0, lowest=0, highest=10_000),
        operations_per_host=_integer(environ, "SAVEPOINT_OPERATIONS_PER_HOST", default=4, lowest=0, highest=10_000),
        operations_per_target=_integer(
            environ, "SAVEPOINT_OPERATIONS_PER_TARGET", default=32, lowest=0, highest=10_000
        ),
        log_level=_choice(environ, "SAVEPOINT_LOG_LEVEL", ("INFO", "DEBUG", "WARNING", "ERROR")),
        secret_key=_secret_key(environ, home),
        master_keys=_master_keys(environ, home),
        database=_database(environ.get("DATABASE_URL", ""), home),
        queue={"redis": redis_url} if redis_url else {"orm": "default"},
        redis_url=redis_url,
        mail_server=mail_server,
        mail_from=_mail_from(environ, url, needed=mail_server is not None),
        metrics_token=_metrics_token(environ, home),
        metrics_networks=_metrics_networks(environ.get("SAVEPOINT_METRICS_NETWORKS") or LOOPBACK),
        storage_roots=_storage_roots(environ.get("SAVEPOINT_STORAGE_ROOTS", ""), home),
        webhook_origins=_webhook_origins(environ.get("SAVEPOINT_WEBHOOK_ORIGINS", "")),
        staff_channels=_staff_channels(environ, home),
        heartbeat_url=_heartbeat_url(environ, home),
    )


def _integer(environ: Mapping[str, str], name: str, *, default: int, lowest: int, highest: int) -> int:
    text = environ.get(name, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or not lowest <= int(text) <= highest:
        raise EnvironmentInvalid(f"{name} must be a whole number from {lowest} to {highest}.")
    return int(text)


def _choice(environ: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    value = environ.get(name) or choices[0]
    if value not in choices:
        raise EnvironmentInvalid(f"{name} must be one of {', '.join(sorted(choices))}.")
    return value


def _url_default(host: str, port: int) -> str:
    """The address on this machine: “everywhere” is no destination, and IPv6 stands in brackets."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # it is replaced, not bound
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


def _url(environ: Mapping[str, str], *, default: str) -> str:
    value = (environ.get("SAVEPOINT_URL") or default).rstrip("/")
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path or parts.query:
        raise EnvironmentInvalid("SAVEPOINT_URL must look like https://backups.example.com, without a path.")
    return value


def _redis_url(environ: Mapping[str, str]) -> str | None:
    value = environ.get("QUEUE_URL") or "orm"
    if value == "orm":
        return None
    parts = urlsplit(value)
    if parts.scheme in ("redis", "rediss"):
        # A silent Redis must not hold a request for ever; longer than its own blocking read of a second.
        return value if parts.query else f"{value}?socket_timeout=10&socket_connect_timeout=5"
    raise EnvironmentInvalid("QUEUE_URL must be 'orm' or begin with redis:// or rediss://.")


def _secret(environ: Mapping[str, str], home: Path, name: str) -> str:
    value = _secret_if_any(environ, home, name)
    if value is None:
        raise EnvironmentInvalid(f"{name} is missing: set it, or {name}_FILE; docs/settings.md says how.")
    return value


def _secret_if_any(environ: Mapping[str, str], home: Path, name: str) -> str | None:
    if value := environ.get(name):
        return value
    named = environ.get(f"{name}_FILE")
    path = Path(named) if named else home / "secrets" / name
    try:
        value = path.read_text().strip()
    except OSError as error:
        if not named and isinstance(error, (FileNotFoundError, NotADirectoryError)):
            return None
        where = f"{name}_FILE" if named else f"{name} of the home"
        raise EnvironmentInvalid(f"{where} cannot be read: {os.strerror(error.errno or 0)}.") from None
    if not value:
        raise EnvironmentInvalid(f"{name} is empty.")
    return value


def _secret_key(environ: Mapping[str, str], home: Path) -> str:
    value = _secret(environ, home, "SECRET_KEY")
    if len(value) < 50:  # noqa: PLR2004  # the length Django's own deployment check asks for
        raise EnvironmentInvalid("SECRET_KEY must have at least 50 characters.")
    return value


def _master_keys(environ: Mapping[str, str], home: Path) -> Keyring:
    try:
        return Keyring.parse(_secret(environ, home, "SAVEPOINT_MASTER_KEYS"))
    except KeyringInvalid as error:
        raise EnvironmentInvalid(f"SAVEPOINT_MASTER_KEYS: {error}") from None


def _mail_server(environ: Mapping[str, str], home: Path) -> MailServer | None:
    url = _secret_if_any(environ, home, "SAVEPOINT_MAIL_URL")
    if url is None:
        return None
    try:
        return mail_server_read(url)
    except MailInvalid as error:
        raise EnvironmentInvalid(f"SAVEPOINT_MAIL_URL {error}") from None


def _mail_from(environ: Mapping[str, str], url: str, *, needed: bool) -> str:
    text = environ.get("SAVEPOINT_MAIL_FROM", "")
    if not text:
        if needed:
            raise EnvironmentInvalid(f"SAVEPOINT_MAIL_FROM is missing: whom mails come from, like {FROM_LIKE}.")
        return f"savepoint@{urlsplit(url).hostname}"
    try:
        return mail_from_read(text)
    except MailInvalid as error:
        raise EnvironmentInvalid(f"SAVEPOINT_MAIL_FROM {error}") from None


def _metrics_token(environ: Mapping[str, str], home: Path) -> str | None:
    value = _secret_if_any(environ, home, "SAVEPOINT_METRICS_TOKEN")
    if value is not None and (len(value) < 32 or not value.isascii()):  # noqa: PLR2004  # nobody guesses so many
        raise EnvironmentInvalid("SAVEPOINT_METRICS_TOKEN must have at least 32 ASCII characters.")
    return value


def _metrics_networks(text: str) -> tuple[Network, ...]:
    if text == "none":
        return ()
    try:
        return tuple(ip_network(part.strip()) for part in text.split(","))
    except ValueError:
        raise EnvironmentInvalid("SAVEPOINT_METRICS_NETWORKS must be 'none' or look like 10.0.0.0/8,::1/128.") from None


def _storage_roots(text: str, home: Path) -> tuple[Path, ...]:
    if not text:
        return (home / "storage",)
    roots = tuple(Path(part) for part in text.split(":"))
    if not all(root.is_absolute() for root in roots):
        raise EnvironmentInvalid("SAVEPOINT_STORAGE_ROOTS must be absolute folders, like /srv/backups:/mnt/backups.")
    return roots


def _webhook_origins(text: str) -> frozenset[str]:
    """Exact origins, each in the one spelling that addresses are compared with."""
    origins = [part.strip() for part in text.split(",") if part.strip()]
    for origin in origins:
        if not _ORIGIN.fullmatch(origin) or origin.endswith(_DEFAULT_PORTS[origin.partition(":")[0]]):
            raise EnvironmentInvalid(
                "SAVEPOINT_WEBHOOK_ORIGINS must be origins like http://billing.internal:8080,https://panel.example.com."
            )
    return frozenset(origins)


def _staff_channels(environ: Mapping[str, str], home: Path) -> tuple[str, ...]:
    text = _secret_if_any(environ, home, "SAVEPOINT_STAFF_CHANNELS") or ""
    channels = tuple(text.split())
    if not all("://" in channel for channel in channels):
        raise EnvironmentInvalid("SAVEPOINT_STAFF_CHANNELS must be addresses of apprise, separated by spaces.")
    if channels and find_spec("apprise") is None:
        raise EnvironmentInvalid("SAVEPOINT_STAFF_CHANNELS needs the package apprise: install savepoint[channels].")
    return channels


def _database(url: str, home: Path) -> dict[str, object]:
    if not url:
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(home / "savepoint.sqlite3"),
            # Immediate: a transaction that will write takes the write lock first, instead of failing half-way.
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
            },
        }
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise EnvironmentInvalid("DATABASE_URL cannot be parsed.") from None
    name = unquote(parts.path.lstrip("/"))
    if parts.scheme not in ("postgres", "postgresql") or not name:
        raise EnvironmentInvalid("DATABASE_URL must look like postgres://user:password@host:5432/name.")
    # A silent database must not outlast a lease; parameters of the URL take precedence.
    options: dict[str, object] = {"connect_timeout": "10", "tcp_user_timeout": "15000", **dict(parse_qsl(parts.query))}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(port or ""),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": options,
    }


def _heartbeat_url(environ: Mapping[str, str], home: Path) -> str | None:
    value = _secret_if_any(environ, home, "SAVEPOINT_HEARTBEAT_URL")
    if value is not None:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or not value.isascii():
            raise EnvironmentInvalid("SAVEPOINT_HEARTBEAT_URL must look like https://hc-ping.com/…, without a user.")
    return value
