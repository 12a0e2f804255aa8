"""The arguments and results of a sidecar's calls, in the portal's own types."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from wire.enums import ChangeKind, Consistency, OutcomeKind, Phase, WarningKind


@dataclass(frozen=True, slots=True)
class Ticket:
    """The operation that calls belong to, and its fence. A sidecar refuses a fence below the highest one it saw."""

    operation: str
    fence: int


@dataclass(frozen=True, slots=True)
class TlsIdentity:
    """The TLS identity of a worker, and the identity it expects of a sidecar; all PEM but the name.

    authorities: the trusted certificates: the sidecar's is one of these, or signed by one of them. server_name: the
    name that the sidecar's certificate must have. certificate, key: the worker's own.
    """

    server_name: str
    authorities: bytes
    certificate: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a sidecar: `127.0.0.1:7331` or `unix:/path` with the secret it shares with the portal, or with
    `tls` any `HOST:PORT` and no secret.
    """

    target: str
    token: str = field(repr=False)
    tls: TlsIdentity | None = None


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The timeouts of a sidecar's calls, in seconds."""

    describe: float = 5.0
    """For `describe`: also the time to notice that a sidecar is down."""
    reply: float = 30.0
    """For any other call with a single reply."""
    stall: float = 30.0
    """Between two messages of a stream, in either direction."""
    preview: float = 60.0
    """For a preview, which may have to read live data."""


@dataclass(frozen=True, slots=True)
class GameState:
    """The starts and ends of the game that its sidecar has seen and did not ask for.

    `counters`: an id of the counts: under another one, they have begun anew. `changed_at_ns`: the last change of
    `running`, by the sidecar's clock, in ns since 1970.
    """

    counters: str
    running: bool
    starts: int
    ends: int
    changed_at_ns: int = 0


@dataclass(frozen=True, slots=True)
class SidecarInfo:
    """A sidecar's version, the free bytes on its two volumes, its abilities and those of its game's profile.

    `game`: what it has seen of the game; None where it does not look, or had no answer yet.
    """

    version: str
    data_free_bytes: int
    scratch_free_bytes: int
    profile: str = "none"
    can_quiesce: bool = False
    can_stop: bool = False
    can_make_volumes: bool = False
    takes_chunks: bool = False
    game: GameState | None = None


@dataclass(frozen=True, slots=True)
class ArchiveProgress:
    """Bytes of file content packed so far, their total by the scan (0 before it), and files packed so far."""

    bytes_read: int
    bytes_total: int
    files: int


@dataclass(frozen=True, slots=True)
class ArchiveWarning:
    """A path that is missing in the archive or was changing; `path` is relative to the source."""

    kind: WarningKind
    path: bytes


@dataclass(frozen=True, slots=True)
class Exclude:
    """Patterns of paths to leave out, in the syntax of `.gitignore`; the last one that matches a path decides.

    `ignore_file`: whether a file `.savepointignore` in the source counts, between `before` and `after`.
    """

    before: tuple[bytes, ...] = ()
    after: tuple[bytes, ...] = ()
    ignore_file: bool = False


@dataclass(frozen=True, slots=True)
class Excluded:
    """The share that patterns left out: files and folders with all below them, their bytes, the patterns in force."""

    entries: int = 0
    patterns: tuple[bytes, ...] = ()
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class ArchiveResult:
    """A complete archive: its size and CRC-32, the number of its members, the first 1000 warnings and their total,
    the bytes of file content in it, the consistency of its data, and what patterns left out.
    """

    size_bytes: int
    crc32: int
    entries: int
    warnings_total: int
    warnings: tuple[ArchiveWarning, ...]
    content_bytes: int = 0
    consistency: Consistency = Consistency.LIVE
    excluded: Excluded = Excluded()


@dataclass(frozen=True, slots=True)
class ExtractProgress:
    """The phase, the bytes of file content and the number of files staged so far."""

    phase: Phase
    bytes_done: int
    files: int


@dataclass(frozen=True, slots=True)
class ExtractResult:
    """The result of an extraction: files and bytes of the archive, and the number of removed live paths.

    `staying`: the first 1000 live paths, of `staying_total`, that were neither removed nor replaced.
    """

    files: int
    bytes: int
    removed: int
    staying_total: int = 0
    staying: tuple[ArchiveWarning, ...] = ()


@dataclass(frozen=True, slots=True)
class ExtractOutcome:
    """The outcome in the journal. `COMPLETED` has a `result`; `ROLLED_BACK` has the error's code, detail and params.

    `RUNNING` with an error: the extraction could not end, and no process works on it.
    """

    kind: OutcomeKind
    result: ExtractResult | None
    error_code: str
    error_detail: str
    error_params: Mapping[str, int | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """One path, relative to the data root, and the bytes of content that would be written or removed there."""

    kind: ChangeKind
    path: bytes
    size_bytes: int


@dataclass(frozen=True, slots=True)
class RestorePreview:
    """Numbers of paths that a restore would add, change and remove, the bytes it would write, and some changes by name.

    `stays`: paths that stay although the archive differs there, because no backup could restore them. `more`: there
    are changes after the last one named; its path asks for the next page.
    """

    added: int
    changed: int
    removed: int
    bytes: int
    changes: tuple[Change, ...]
    more: bool
    stays: int = 0


@dataclass(frozen=True, slots=True)
class PatternCount:
    """The entries and bytes that a pattern leaves out, each with everything below it.

    `of_file`: it is a line of the ignore file. `impossible`: such a line that is wrong, and leaves out nothing.
    """

    pattern: bytes
    entries: int
    bytes: int
    of_file: bool = False
    impossible: bool = False


@dataclass(frozen=True, slots=True)
class ExcludedPath:
    """A path that would be left out, by a pattern's place in the list; the counts include everything below it."""

    path: bytes
    pattern: int
    is_folder: bool
    entries: int
    bytes: int


@dataclass(frozen=True, slots=True)
class BackupEstimate:
    """The content that a backup would have, and the files that patterns would leave out of it.

    `changed_bytes`, `changed_entries`: of files, and number of files, folders and links, that changed since the time
    that was asked for. `now_ns`: the sidecar's clock at the start. `paths`: the first paths that would be left out;
    `more`: there are others.
    """

    entries: int
    bytes: int
    changed_bytes: int
    changed_entries: int
    now_ns: int
    patterns: tuple[PatternCount, ...]
    paths: tuple[ExcludedPath, ...]
    more: bool
