"""What goes to a sidecar and comes back, in the portal's own types."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Ticket:
    """The operation that calls belong to, and its fence: one below the highest seen is refused."""

    operation: str
    fence: int


@dataclass(frozen=True, slots=True)
class TlsIdentity:
    """How a worker proves who it is, and knows a sidecar, over TLS; all PEM but the name.

    authorities: whom it believes: the sidecar's certificate is one of these, or signed by one of them. server_name:
    the one name that certificate must have. certificate, key: the worker's own.
    """

    server_name: str
    authorities: bytes
    certificate: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a sidecar listens: `127.0.0.1:7331` or `unix:/path` and the secret it shares with the portal, or with
    `tls` any `HOST:PORT` and no secret.
    """

    target: str
    token: str = field(repr=False)
    tls: TlsIdentity | None = None


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a sidecar may take, in seconds."""

    describe: float = 5.0
    """To say what it is: also how long it takes to find out that it is down."""
    reply: float = 30.0
    """To answer any other single question."""
    stall: float = 30.0
    """Between two messages of a stream, or before it takes the next bytes sent to it."""
    preview: float = 60.0
    """To compare a listing with the live data, some of which it may have to read."""


@dataclass(frozen=True, slots=True)
class SidecarInfo:
    """A sidecar's version, the free bytes on its two volumes, and what its game's profile can do."""

    version: str
    data_free_bytes: int
    scratch_free_bytes: int
    profile: str = "none"
    can_quiesce: bool = False
    can_stop: bool = False


@dataclass(frozen=True, slots=True)
class ArchiveProgress:
    """Bytes of file content packed so far, bytes found when scanning (0 until then), files packed so far."""

    bytes_read: int
    bytes_total: int
    files: int


class WarningKind(enum.StrEnum):
    """Why something in the tree could not be captured as it was."""

    CHANGED = "changed"
    VANISHED = "vanished"
    UNREADABLE = "unreadable"
    SKIPPED = "skipped"
    LEFT_OUT = "left_out"
    HOLDS = "holds"
    MOUNTED = "mounted"
    LINKED_OUT = "linked_out"
    FIXED = "fixed"
    COMPANION = "companion"


@dataclass(frozen=True, slots=True)
class ArchiveWarning:
    """One thing that is not in the archive as it was; `path` is relative to the source."""

    kind: WarningKind
    path: bytes


class Consistency(enum.StrEnum):
    """In what state the data was when it was packed."""

    LIVE = "live"
    """The game ran and wrote: files may be of different moments, and a database among them may not open."""
    QUIESCED = "quiesced"
    """The game had written everything, and held still from the first byte to the last."""
    STOPPED = "stopped"
    """The game did not run."""


@dataclass(frozen=True, slots=True)
class ArchiveResult:
    """A whole archive: size and CRC-32 of its bytes, its members, its warnings (the first 1000 of all), the bytes of
    file content in it, and in what state the data was.
    """

    size_bytes: int
    crc32: int
    entries: int
    warnings_total: int
    warnings: tuple[ArchiveWarning, ...]
    content_bytes: int = 0
    consistency: Consistency = Consistency.LIVE


class ExtractPhase(enum.StrEnum):
    """How far an extraction is; from `EXCHANGING` on it cannot be called back."""

    COMPARING = "comparing"
    STAGING = "staging"
    STOPPING = "stopping"
    """The game server is being stopped."""
    EXCHANGING = "exchanging"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class ExtractProgress:
    """The phase, and the bytes of file content and the files staged so far."""

    phase: ExtractPhase
    bytes_done: int
    files: int


@dataclass(frozen=True, slots=True)
class ExtractResult:
    """The result of an extraction: files and bytes of the archive, and live paths that it took away.

    `staying`: the first 1000 live paths that were neither removed nor replaced, of `staying_total`.
    """

    files: int
    bytes: int
    removed: int
    staying_total: int = 0
    staying: tuple[ArchiveWarning, ...] = ()


class OutcomeKind(enum.StrEnum):
    """What became of an operation's extraction."""

    NONE = "none"
    """The sidecar knows of no exchange: nothing was touched."""
    RUNNING = "running"
    COMPLETED = "completed"
    """The data is wholly new."""
    ROLLED_BACK = "rolled_back"
    """The data is wholly old."""


@dataclass(frozen=True, slots=True)
class ExtractOutcome:
    """The journal's word: `result` comes with `COMPLETED`, the error's code, detail and params with `ROLLED_BACK`.

    `RUNNING` with an error could not be brought to its end, and nobody is at it.
    """

    kind: OutcomeKind
    result: ExtractResult | None
    error_code: str
    error_detail: str
    error_params: Mapping[str, int | str] = field(default_factory=dict)


class ServerControl(enum.StrEnum):
    """What becomes of the game server while a restore exchanges names."""

    AUTO = "auto"
    """Stopped where its profile can and it runs, else left alone."""
    STOP = "stop"
    """Stopped, and started again if it ran; the restore fails where that cannot be."""
    LEAVE = "leave"


class ChangeKind(enum.StrEnum):
    """What a restore would do to a path."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"
    STAYS = "stays"
    """It would be removed or replaced, if a backup could bring it back."""


@dataclass(frozen=True, slots=True)
class Change:
    """One path, relative to the data root, and the bytes of content that would be written there, or would go."""

    kind: ChangeKind
    path: bytes
    size_bytes: int


@dataclass(frozen=True, slots=True)
class RestorePreview:
    """What a restore would add, change and remove (paths), and write (bytes of content); some of it by name.

    `stays`: paths that would be removed or replaced, if a backup could bring them back. `more`: there are changes after
    the last one named, to be asked for with its path.
    """

    added: int
    changed: int
    removed: int
    bytes: int
    changes: tuple[Change, ...]
    more: bool
    stays: int = 0
