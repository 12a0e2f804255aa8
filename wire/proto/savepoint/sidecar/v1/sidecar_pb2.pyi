from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ArchiveFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ARCHIVE_FORMAT_UNSPECIFIED: _ClassVar[ArchiveFormat]
    ARCHIVE_FORMAT_TARGZ: _ClassVar[ArchiveFormat]
    ARCHIVE_FORMAT_TARZST: _ClassVar[ArchiveFormat]

class ExtractMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXTRACT_MODE_UNSPECIFIED: _ClassVar[ExtractMode]
    EXTRACT_MODE_REPLACE: _ClassVar[ExtractMode]
    EXTRACT_MODE_OVERLAY: _ClassVar[ExtractMode]

class Consistency(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONSISTENCY_UNSPECIFIED: _ClassVar[Consistency]
    CONSISTENCY_LIVE: _ClassVar[Consistency]
    CONSISTENCY_QUIESCED: _ClassVar[Consistency]
    CONSISTENCY_STOPPED: _ClassVar[Consistency]

class ServerControl(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SERVER_CONTROL_UNSPECIFIED: _ClassVar[ServerControl]
    SERVER_CONTROL_STOP: _ClassVar[ServerControl]
    SERVER_CONTROL_LEAVE: _ClassVar[ServerControl]
ARCHIVE_FORMAT_UNSPECIFIED: ArchiveFormat
ARCHIVE_FORMAT_TARGZ: ArchiveFormat
ARCHIVE_FORMAT_TARZST: ArchiveFormat
EXTRACT_MODE_UNSPECIFIED: ExtractMode
EXTRACT_MODE_REPLACE: ExtractMode
EXTRACT_MODE_OVERLAY: ExtractMode
CONSISTENCY_UNSPECIFIED: Consistency
CONSISTENCY_LIVE: Consistency
CONSISTENCY_QUIESCED: Consistency
CONSISTENCY_STOPPED: Consistency
SERVER_CONTROL_UNSPECIFIED: ServerControl
SERVER_CONTROL_STOP: ServerControl
SERVER_CONTROL_LEAVE: ServerControl

class Ticket(_message.Message):
    __slots__ = ("operation", "fence")
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    operation: str
    fence: int
    def __init__(self, operation: _Optional[str] = ..., fence: _Optional[int] = ...) -> None: ...

class DescribeRequest(_message.Message):
    __slots__ = ("ticket",)
    TICKET_FIELD_NUMBER: _ClassVar[int]
    ticket: Ticket
    def __init__(self, ticket: _Optional[_Union[Ticket, _Mapping]] = ...) -> None: ...

class DescribeReply(_message.Message):
    __slots__ = ("version", "data_free_bytes", "scratch_free_bytes", "profile", "can_quiesce", "can_stop", "can_make_volumes", "takes_chunks", "game")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DATA_FREE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SCRATCH_FREE_BYTES_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    CAN_QUIESCE_FIELD_NUMBER: _ClassVar[int]
    CAN_STOP_FIELD_NUMBER: _ClassVar[int]
    CAN_MAKE_VOLUMES_FIELD_NUMBER: _ClassVar[int]
    TAKES_CHUNKS_FIELD_NUMBER: _ClassVar[int]
    GAME_FIELD_NUMBER: _ClassVar[int]
    version: str
    data_free_bytes: int
    scratch_free_bytes: int
    profile: str
    can_quiesce: bool
    can_stop: bool
    can_make_volumes: bool
    takes_chunks: bool
    game: GameState
    def __init__(self, version: _Optional[str] = ..., data_free_bytes: _Optional[int] = ..., scratch_free_bytes: _Optional[int] = ..., profile: _Optional[str] = ..., can_quiesce: _Optional[bool] = ..., can_stop: _Optional[bool] = ..., can_make_volumes: _Optional[bool] = ..., takes_chunks: _Optional[bool] = ..., game: _Optional[_Union[GameState, _Mapping]] = ...) -> None: ...

class GameState(_message.Message):
    __slots__ = ("counters", "running", "starts", "ends", "changed_at_ns")
    COUNTERS_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    STARTS_FIELD_NUMBER: _ClassVar[int]
    ENDS_FIELD_NUMBER: _ClassVar[int]
    CHANGED_AT_NS_FIELD_NUMBER: _ClassVar[int]
    counters: str
    running: bool
    starts: int
    ends: int
    changed_at_ns: int
    def __init__(self, counters: _Optional[str] = ..., running: _Optional[bool] = ..., starts: _Optional[int] = ..., ends: _Optional[int] = ..., changed_at_ns: _Optional[int] = ...) -> None: ...

class Warning(_message.Message):
    __slots__ = ("kind", "path")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Warning.Kind]
        KIND_CHANGED: _ClassVar[Warning.Kind]
        KIND_VANISHED: _ClassVar[Warning.Kind]
        KIND_UNREADABLE: _ClassVar[Warning.Kind]
        KIND_SKIPPED: _ClassVar[Warning.Kind]
        KIND_LEFT_OUT: _ClassVar[Warning.Kind]
        KIND_HOLDS: _ClassVar[Warning.Kind]
        KIND_MOUNTED: _ClassVar[Warning.Kind]
        KIND_LINKED_OUT: _ClassVar[Warning.Kind]
        KIND_FIXED: _ClassVar[Warning.Kind]
        KIND_COMPANION: _ClassVar[Warning.Kind]
        KIND_EXCLUDED: _ClassVar[Warning.Kind]
        KIND_PATTERN: _ClassVar[Warning.Kind]
    KIND_UNSPECIFIED: Warning.Kind
    KIND_CHANGED: Warning.Kind
    KIND_VANISHED: Warning.Kind
    KIND_UNREADABLE: Warning.Kind
    KIND_SKIPPED: Warning.Kind
    KIND_LEFT_OUT: Warning.Kind
    KIND_HOLDS: Warning.Kind
    KIND_MOUNTED: Warning.Kind
    KIND_LINKED_OUT: Warning.Kind
    KIND_FIXED: Warning.Kind
    KIND_COMPANION: Warning.Kind
    KIND_EXCLUDED: Warning.Kind
    KIND_PATTERN: Warning.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    kind: Warning.Kind
    path: bytes
    def __init__(self, kind: _Optional[_Union[Warning.Kind, str]] = ..., path: _Optional[bytes] = ...) -> None: ...

class CompressFilesRequest(_message.Message):
    __slots__ = ("ticket", "sources", "output", "format", "listing", "quiesce", "exclude")
    TICKET_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    LISTING_FIELD_NUMBER: _ClassVar[int]
    QUIESCE_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_FIELD_NUMBER: _ClassVar[int]
    ticket: Ticket
    sources: _containers.RepeatedScalarFieldContainer[str]
    output: str
    format: ArchiveFormat
    listing: str
    quiesce: bool
    exclude: Exclude
    def __init__(self, ticket: _Optional[_Union[Ticket, _Mapping]] = ..., sources: _Optional[_Iterable[str]] = ..., output: _Optional[str] = ..., format: _Optional[_Union[ArchiveFormat, str]] = ..., listing: _Optional[str] = ..., quiesce: _Optional[bool] = ..., exclude: _Optional[_Union[Exclude, _Mapping]] = ...) -> None: ...

class Exclude(_message.Message):
    __slots__ = ("before", "ignore_file", "after")
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    IGNORE_FILE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    before: _containers.RepeatedScalarFieldContainer[bytes]
    ignore_file: bool
    after: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, before: _Optional[_Iterable[bytes]] = ..., ignore_file: _Optional[bool] = ..., after: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Excluded(_message.Message):
    __slots__ = ("entries", "bytes", "patterns")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    PATTERNS_FIELD_NUMBER: _ClassVar[int]
    entries: int
    bytes: int
    patterns: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, entries: _Optional[int] = ..., bytes: _Optional[int] = ..., patterns: _Optional[_Iterable[bytes]] = ...) -> None: ...

class CompressFilesReply(_message.Message):
    __slots__ = ("bytes_read", "bytes_total", "files", "result")
    BYTES_READ_FIELD_NUMBER: _ClassVar[int]
    BYTES_TOTAL_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    bytes_read: int
    bytes_total: int
    files: int
    result: CompressResult
    def __init__(self, bytes_read: _Optional[int] = ..., bytes_total: _Optional[int] = ..., files: _Optional[int] = ..., result: _Optional[_Union[CompressResult, _Mapping]] = ...) -> None: ...

class CompressResult(_message.Message):
    __slots__ = ("size_bytes", "crc32", "entries", "warnings_total", "warnings", "consistency", "content_bytes", "excluded")
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    CRC32_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_FIELD_NUMBER: _ClassVar[int]
    CONTENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    EXCLUDED_FIELD_NUMBER: _ClassVar[int]
    size_bytes: int
    crc32: int
    entries: int
    warnings_total: int
    warnings: _containers.RepeatedCompositeFieldContainer[Warning]
    consistency: Consistency
    content_bytes: int
    excluded: Excluded
    def __init__(self, size_bytes: _Optional[int] = ..., crc32: _Optional[int] = ..., entries: _Optional[int] = ..., warnings_total: _Optional[int] = ..., warnings: _Optional[_Iterable[_Union[Warning, _Mapping]]] = ..., consistency: _Optional[_Union[Consistency, str]] = ..., content_bytes: _Optional[int] = ..., excluded: _Optional[_Union[Excluded, _Mapping]] = ...) -> None: ...

class ReadFileRequest(_message.Message):
    __slots__ = ("ticket", "path", "offset", "follow")
    TICKET_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    ticket: Ticket
    path: str
    offset: int
    follow: bool
    def __init__(self, ticket: _Optional[_Union[Ticket, _Mapping]] = ..., path: _Optional[str] = ..., offset: _Optional[int] = ..., follow: _Optional[bool] = ...) -> None: ...

class ReadFileReply(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class WriteFileRequest(_message.Message):
    __slots__ = ("header", "data")
    class Header(_message.Message):
        __slots__ = ("ticket", "path", "size_bytes")
        TICKET_FIELD_NUMBER: _ClassVar[int]
        PATH_FIELD_NUMBER: _ClassVar[int]
        SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
        ticket: Ticket
        path: str
        size_bytes: int
        def __init__(self, ticket: _Optional[_Union[Ticket, _Mapping]] = ..., path: _Optional[str] = ..., size_bytes: _Optional[int] = ...) -> None: ...
    HEADER_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    header: WriteFileRequest.Header
    data: bytes
    def __init__(self, header: _Optional[_Union[WriteFileRequest.Header, _Mapping]] = ..., data: _Optional[bytes] = ...) -> None: ...

class WriteFileReply(_message.Message):
    __slots__ = ("size_bytes", "crc32")
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    CRC32_FIELD_NUMBER: _ClassVar[int]
    size_bytes: int
    crc32: int
    def __init__(self, size_bytes: _Optional[int] = ..., crc32: _Optional[int] = ...) -> None: ...

class DeleteFileRequest(_message.Message):
    __slots__ = ("ticket", "path")
    TICKET_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    ticket: Ticket
    path: str
    def __init__(self, ticket: _Optional[_Union[Ticket, _Mapping]] = ..., path: _Optional[str] = ...) -> None: ...

class DeleteFileReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ExtractToRequest(_message.Message):
    __slots__ = ("ticket", "source", "destination", "mode", "server", "listing", "paths", "safety")
    TICKET_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    SERVER_FIELD_NUMBER: _ClassVar[int]
    LISTING_FIELD_NUMBER: _ClassVar[int]
    PATHS_FIELD_NUMBER: _ClassVar[int]
    SAFETY_FIELD_NUMBER: _ClassVar[int]
    ticket: Ticket
    source: str
    destination: str
    mode: ExtractMode
    server: ServerControl
    listing: str
    paths: _containers.RepeatedScalarFieldContainer[bytes]
    safety: str
    def __init__(self, ticket: _Optional[_Union[Ticket, _Mapping]] = ..., source: _Optional[str] = ..., destination: _Optional[str] = ..., mode: _Optional[_Union[ExtractMode, str]] = ..., server: _Optional[_Union[ServerControl, str]] = ..., listing: _Optional[str] = ..., paths: _Optional[_Iterable[bytes]] = ..., safety: _Optional[str] = ...) -> None: ...

class ExtractToReply(_message.Message):
    __slots__ = ("phase", "bytes_done", "files", "result")
    class Phase(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        PHASE_UNSPECIFIED: _ClassVar[ExtractToReply.Phase]
        PHASE_STAGING: _ClassVar[ExtractToReply.Phase]
        PHASE_EXCHANGING: _ClassVar[ExtractToReply.Phase]
        PHASE_DONE: _ClassVar[ExtractToReply.Phase]
        PHASE_COMPARING: _ClassVar[ExtractToReply.Phase]
        PHASE_STOPPING: _ClassVar[ExtractToReply.Phase]
    PHASE_UNSPECIFIED: ExtractToReply.Phase
    PHASE_STAGING: ExtractToReply.Phase
    PHASE_EXCHANGING: ExtractToReply.Phase
    PHASE_DONE: ExtractToReply.Phase
    PHASE_COMPARING: ExtractToReply.Phase
    PHASE_STOPPING: ExtractToReply.Phase
    PHASE_FIELD_NUMBER: _ClassVar[int]
    BYTES_DONE_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    phase: ExtractToReply.Phase
    bytes_done: int
    files: int
    result: ExtractResult
    def __init__(self, phase: _Optional[_Union[ExtractToReply.Phase, str]] = ..., bytes_done: _Optional[int] = ..., files: _Optional[int] = ..., result: _Optional[_Union[ExtractResult, _Mapping]] = ...) -> None: ...

class ExtractResult(_message.Message):
    __slots__ = ("files", "bytes", "removed", "staying_total", "staying")
    FILES_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    STAYING_TOTAL_FIELD_NUMBER: _ClassVar[int]
    STAYING_FIELD_NUMBER: _ClassVar[int]
    files: int
    bytes: int
    removed: int
    staying_total: int
    staying: _containers.RepeatedCompositeFieldContainer[Warning]
    def __init__(self, files: _Optional[int] = ..., bytes: _Optional[int] = ..., removed: _Optional[int] = ..., staying_total: _Optional[int] = ..., staying: _Optional[_Iterable[_Union[Warning, _Mapping]]] = ...) -> None: ...

class PreviewRestoreRequest(_message.Message):
    __slots__ = ("header", "listing")
    class Header(_message.Message):
        __slots__ = ("ticket", "mode", "paths_limit", "paths_after", "paths")
        TICKET_FIELD_NUMBER: _ClassVar[int]
        MODE_FIELD_NUMBER: _ClassVar[int]
        PATHS_LIMIT_FIELD_NUMBER: _ClassVar[int]
        PATHS_AFTER_FIELD_NUMBER: _ClassVar[int]
        PATHS_FIELD_NUMBER: _ClassVar[int]
        ticket: Ticket
        mode: ExtractMode
        paths_limit: int
        paths_after: bytes
        paths: _containers.RepeatedScalarFieldContainer[bytes]
        def __init__(self, ticket: _Optional[_Union[Ticket, _Mapping]] = ..., mode: _Optional[_Union[ExtractMode, str]] = ..., paths_limit: _Optional[int] = ..., paths_after: _Optional[bytes] = ..., paths: _Optional[_Iterable[bytes]] = ...) -> None: ...
    HEADER_FIELD_NUMBER: _ClassVar[int]
    LISTING_FIELD_NUMBER: _ClassVar[int]
    header: PreviewRestoreRequest.Header
    listing: bytes
    def __init__(self, header: _Optional[_Union[PreviewRestoreRequest.Header, _Mapping]] = ..., listing: _Optional[bytes] = ...) -> None: ...

class PreviewRestoreReply(_message.Message):
    __slots__ = ("added", "changed", "removed", "bytes", "changes", "more", "stays")
    class Change(_message.Message):
        __slots__ = ("kind", "path", "size_bytes")
        class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
            __slots__ = ()
            KIND_UNSPECIFIED: _ClassVar[PreviewRestoreReply.Change.Kind]
            KIND_ADDED: _ClassVar[PreviewRestoreReply.Change.Kind]
            KIND_CHANGED: _ClassVar[PreviewRestoreReply.Change.Kind]
            KIND_REMOVED: _ClassVar[PreviewRestoreReply.Change.Kind]
            KIND_STAYS: _ClassVar[PreviewRestoreReply.Change.Kind]
        KIND_UNSPECIFIED: PreviewRestoreReply.Change.Kind
        KIND_ADDED: PreviewRestoreReply.Change.Kind
        KIND_CHANGED: PreviewRestoreReply.Change.Kind
        KIND_REMOVED: PreviewRestoreReply.Change.Kind
        KIND_STAYS: PreviewRestoreReply.Change.Kind
        KIND_FIELD_NUMBER: _ClassVar[int]
        PATH_FIELD_NUMBER: _ClassVar[int]
        SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
        kind: PreviewRestoreReply.Change.Kind
        path: bytes
        size_bytes: int
        def __init__(self, kind: _Optional[_Union[PreviewRestoreReply.Change.Kind, str]] = ..., path: _Optional[bytes] = ..., size_bytes: _Optional[int] = ...) -> None: ...
    ADDED_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    STAYS_FIELD_NUMBER: _ClassVar[int]
    added: int
    changed: int
    removed: int
    bytes: int
    changes: _containers.RepeatedCompositeFieldContainer[PreviewRestoreReply.Change]
    more: bool
    stays: int
    def __init__(self, added: _Optional[int] = ..., changed: _Optional[int] = ..., removed: _Optional[int] = ..., bytes: _Optional[int] = ..., changes: _Optional[_Iterable[_Union[PreviewRestoreReply.Change, _Mapping]]] = ..., more: _Optional[bool] = ..., stays: _Optional[int] = ...) -> None: ...

class EstimateBackupRequest(_message.Message):
    __slots__ = ("ticket", "source", "exclude", "changed_since_ns", "paths_limit")
    TICKET_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_FIELD_NUMBER: _ClassVar[int]
    CHANGED_SINCE_NS_FIELD_NUMBER: _ClassVar[int]
    PATHS_LIMIT_FIELD_NUMBER: _ClassVar[int]
    ticket: Ticket
    source: str
    exclude: Exclude
    changed_since_ns: int
    paths_limit: int
    def __init__(self, ticket: _Optional[_Union[Ticket, _Mapping]] = ..., source: _Optional[str] = ..., exclude: _Optional[_Union[Exclude, _Mapping]] = ..., changed_since_ns: _Optional[int] = ..., paths_limit: _Optional[int] = ...) -> None: ...

class EstimateBackupReply(_message.Message):
    __slots__ = ("entries", "bytes", "changed_bytes", "patterns", "paths", "more", "changed_entries", "now_ns")
    class Pattern(_message.Message):
        __slots__ = ("pattern", "entries", "bytes", "impossible", "of_file")
        PATTERN_FIELD_NUMBER: _ClassVar[int]
        ENTRIES_FIELD_NUMBER: _ClassVar[int]
        BYTES_FIELD_NUMBER: _ClassVar[int]
        IMPOSSIBLE_FIELD_NUMBER: _ClassVar[int]
        OF_FILE_FIELD_NUMBER: _ClassVar[int]
        pattern: bytes
        entries: int
        bytes: int
        impossible: bool
        of_file: bool
        def __init__(self, pattern: _Optional[bytes] = ..., entries: _Optional[int] = ..., bytes: _Optional[int] = ..., impossible: _Optional[bool] = ..., of_file: _Optional[bool] = ...) -> None: ...
    class Path(_message.Message):
        __slots__ = ("path", "pattern", "folder", "entries", "bytes")
        PATH_FIELD_NUMBER: _ClassVar[int]
        PATTERN_FIELD_NUMBER: _ClassVar[int]
        FOLDER_FIELD_NUMBER: _ClassVar[int]
        ENTRIES_FIELD_NUMBER: _ClassVar[int]
        BYTES_FIELD_NUMBER: _ClassVar[int]
        path: bytes
        pattern: int
        folder: bool
        entries: int
        bytes: int
        def __init__(self, path: _Optional[bytes] = ..., pattern: _Optional[int] = ..., folder: _Optional[bool] = ..., entries: _Optional[int] = ..., bytes: _Optional[int] = ...) -> None: ...
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    CHANGED_BYTES_FIELD_NUMBER: _ClassVar[int]
    PATTERNS_FIELD_NUMBER: _ClassVar[int]
    PATHS_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    CHANGED_ENTRIES_FIELD_NUMBER: _ClassVar[int]
    NOW_NS_FIELD_NUMBER: _ClassVar[int]
    entries: int
    bytes: int
    changed_bytes: int
    patterns: _containers.RepeatedCompositeFieldContainer[EstimateBackupReply.Pattern]
    paths: _containers.RepeatedCompositeFieldContainer[EstimateBackupReply.Path]
    more: bool
    changed_entries: int
    now_ns: int
    def __init__(self, entries: _Optional[int] = ..., bytes: _Optional[int] = ..., changed_bytes: _Optional[int] = ..., patterns: _Optional[_Iterable[_Union[EstimateBackupReply.Pattern, _Mapping]]] = ..., paths: _Optional[_Iterable[_Union[EstimateBackupReply.Path, _Mapping]]] = ..., more: _Optional[bool] = ..., changed_entries: _Optional[int] = ..., now_ns: _Optional[int] = ...) -> None: ...

class RequestCertificateRequest(_message.Message):
    __slots__ = ("ticket",)
    TICKET_FIELD_NUMBER: _ClassVar[int]
    ticket: Ticket
    def __init__(self, ticket: _Optional[_Union[Ticket, _Mapping]] = ...) -> None: ...

class RequestCertificateReply(_message.Message):
    __slots__ = ("request",)
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    request: bytes
    def __init__(self, request: _Optional[bytes] = ...) -> None: ...

class InstallCertificateRequest(_message.Message):
    __slots__ = ("ticket", "chain", "authorities")
    TICKET_FIELD_NUMBER: _ClassVar[int]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    AUTHORITIES_FIELD_NUMBER: _ClassVar[int]
    ticket: Ticket
    chain: bytes
    authorities: bytes
    def __init__(self, ticket: _Optional[_Union[Ticket, _Mapping]] = ..., chain: _Optional[bytes] = ..., authorities: _Optional[bytes] = ...) -> None: ...

class InstallCertificateReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetExtractOutcomeRequest(_message.Message):
    __slots__ = ("ticket", "destination")
    TICKET_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    ticket: Ticket
    destination: str
    def __init__(self, ticket: _Optional[_Union[Ticket, _Mapping]] = ..., destination: _Optional[str] = ...) -> None: ...

class GetExtractOutcomeReply(_message.Message):
    __slots__ = ("outcome", "result", "error_code", "error_detail", "error_params")
    class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        OUTCOME_UNSPECIFIED: _ClassVar[GetExtractOutcomeReply.Outcome]
        OUTCOME_NONE: _ClassVar[GetExtractOutcomeReply.Outcome]
        OUTCOME_RUNNING: _ClassVar[GetExtractOutcomeReply.Outcome]
        OUTCOME_COMPLETED: _ClassVar[GetExtractOutcomeReply.Outcome]
        OUTCOME_ROLLED_BACK: _ClassVar[GetExtractOutcomeReply.Outcome]
    OUTCOME_UNSPECIFIED: GetExtractOutcomeReply.Outcome
    OUTCOME_NONE: GetExtractOutcomeReply.Outcome
    OUTCOME_RUNNING: GetExtractOutcomeReply.Outcome
    OUTCOME_COMPLETED: GetExtractOutcomeReply.Outcome
    OUTCOME_ROLLED_BACK: GetExtractOutcomeReply.Outcome
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    ERROR_CODE_FIELD_NUMBER: _ClassVar[int]
    ERROR_DETAIL_FIELD_NUMBER: _ClassVar[int]
    ERROR_PARAMS_FIELD_NUMBER: _ClassVar[int]
    outcome: GetExtractOutcomeReply.Outcome
    result: ExtractResult
    error_code: str
    error_detail: str
    error_params: str
    def __init__(self, outcome: _Optional[_Union[GetExtractOutcomeReply.Outcome, str]] = ..., result: _Optional[_Union[ExtractResult, _Mapping]] = ..., error_code: _Optional[str] = ..., error_detail: _Optional[str] = ..., error_params: _Optional[str] = ...) -> None: ...

class ReleaseExtractRequest(_message.Message):
    __slots__ = ("ticket", "destination")
    TICKET_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    ticket: Ticket
    destination: str
    def __init__(self, ticket: _Optional[_Union[Ticket, _Mapping]] = ..., destination: _Optional[str] = ...) -> None: ...

class ReleaseExtractReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RemoveVolumeRequest(_message.Message):
    __slots__ = ("ticket", "volume")
    TICKET_FIELD_NUMBER: _ClassVar[int]
    VOLUME_FIELD_NUMBER: _ClassVar[int]
    ticket: Ticket
    volume: str
    def __init__(self, ticket: _Optional[_Union[Ticket, _Mapping]] = ..., volume: _Optional[str] = ...) -> None: ...

class RemoveVolumeReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RestoreTreeRequest(_message.Message):
    __slots__ = ("header", "listing", "listing_bytes", "contents_of", "data", "hole", "chunk", "chunk_bytes", "runs")
    class Header(_message.Message):
        __slots__ = ("ticket", "destination", "mode", "server", "paths", "safety")
        TICKET_FIELD_NUMBER: _ClassVar[int]
        DESTINATION_FIELD_NUMBER: _ClassVar[int]
        MODE_FIELD_NUMBER: _ClassVar[int]
        SERVER_FIELD_NUMBER: _ClassVar[int]
        PATHS_FIELD_NUMBER: _ClassVar[int]
        SAFETY_FIELD_NUMBER: _ClassVar[int]
        ticket: Ticket
        destination: str
        mode: ExtractMode
        server: ServerControl
        paths: _containers.RepeatedScalarFieldContainer[bytes]
        safety: str
        def __init__(self, ticket: _Optional[_Union[Ticket, _Mapping]] = ..., destination: _Optional[str] = ..., mode: _Optional[_Union[ExtractMode, str]] = ..., server: _Optional[_Union[ServerControl, str]] = ..., paths: _Optional[_Iterable[bytes]] = ..., safety: _Optional[str] = ...) -> None: ...
    HEADER_FIELD_NUMBER: _ClassVar[int]
    LISTING_FIELD_NUMBER: _ClassVar[int]
    LISTING_BYTES_FIELD_NUMBER: _ClassVar[int]
    CONTENTS_OF_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    HOLE_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    CHUNK_BYTES_FIELD_NUMBER: _ClassVar[int]
    RUNS_FIELD_NUMBER: _ClassVar[int]
    header: RestoreTreeRequest.Header
    listing: bytes
    listing_bytes: int
    contents_of: int
    data: bytes
    hole: int
    chunk: bytes
    chunk_bytes: int
    runs: Runs
    def __init__(self, header: _Optional[_Union[RestoreTreeRequest.Header, _Mapping]] = ..., listing: _Optional[bytes] = ..., listing_bytes: _Optional[int] = ..., contents_of: _Optional[int] = ..., data: _Optional[bytes] = ..., hole: _Optional[int] = ..., chunk: _Optional[bytes] = ..., chunk_bytes: _Optional[int] = ..., runs: _Optional[_Union[Runs, _Mapping]] = ...) -> None: ...

class Runs(_message.Message):
    __slots__ = ("chunks", "offsets", "lengths")
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    OFFSETS_FIELD_NUMBER: _ClassVar[int]
    LENGTHS_FIELD_NUMBER: _ClassVar[int]
    chunks: _containers.RepeatedScalarFieldContainer[int]
    offsets: _containers.RepeatedScalarFieldContainer[int]
    lengths: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, chunks: _Optional[_Iterable[int]] = ..., offsets: _Optional[_Iterable[int]] = ..., lengths: _Optional[_Iterable[int]] = ...) -> None: ...

class RestoreTreeReply(_message.Message):
    __slots__ = ("progress", "wanted")
    class Wanted(_message.Message):
        __slots__ = ("files",)
        PASS_FIELD_NUMBER: _ClassVar[int]
        FILES_FIELD_NUMBER: _ClassVar[int]
        files: _containers.RepeatedScalarFieldContainer[int]
        def __init__(self, files: _Optional[_Iterable[int]] = ..., **kwargs) -> None: ...
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    WANTED_FIELD_NUMBER: _ClassVar[int]
    progress: ExtractToReply
    wanted: RestoreTreeReply.Wanted
    def __init__(self, progress: _Optional[_Union[ExtractToReply, _Mapping]] = ..., wanted: _Optional[_Union[RestoreTreeReply.Wanted, _Mapping]] = ...) -> None: ...

class TreeEntries(_message.Message):
    __slots__ = ("kinds", "paths", "modes", "uids", "gids", "mtimes_s", "mtimes_ns", "ctimes_s", "ctimes_ns", "inodes", "sizes", "targets")
    KINDS_FIELD_NUMBER: _ClassVar[int]
    PATHS_FIELD_NUMBER: _ClassVar[int]
    MODES_FIELD_NUMBER: _ClassVar[int]
    UIDS_FIELD_NUMBER: _ClassVar[int]
    GIDS_FIELD_NUMBER: _ClassVar[int]
    MTIMES_S_FIELD_NUMBER: _ClassVar[int]
    MTIMES_NS_FIELD_NUMBER: _ClassVar[int]
    CTIMES_S_FIELD_NUMBER: _ClassVar[int]
    CTIMES_NS_FIELD_NUMBER: _ClassVar[int]
    INODES_FIELD_NUMBER: _ClassVar[int]
    SIZES_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    kinds: bytes
    paths: _containers.RepeatedScalarFieldContainer[bytes]
    modes: _containers.RepeatedScalarFieldContainer[int]
    uids: _containers.RepeatedScalarFieldContainer[int]
    gids: _containers.RepeatedScalarFieldContainer[int]
    mtimes_s: _containers.RepeatedScalarFieldContainer[int]
    mtimes_ns: _containers.RepeatedScalarFieldContainer[int]
    ctimes_s: _containers.RepeatedScalarFieldContainer[int]
    ctimes_ns: _containers.RepeatedScalarFieldContainer[int]
    inodes: _containers.RepeatedScalarFieldContainer[int]
    sizes: _containers.RepeatedScalarFieldContainer[int]
    targets: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, kinds: _Optional[bytes] = ..., paths: _Optional[_Iterable[bytes]] = ..., modes: _Optional[_Iterable[int]] = ..., uids: _Optional[_Iterable[int]] = ..., gids: _Optional[_Iterable[int]] = ..., mtimes_s: _Optional[_Iterable[int]] = ..., mtimes_ns: _Optional[_Iterable[int]] = ..., ctimes_s: _Optional[_Iterable[int]] = ..., ctimes_ns: _Optional[_Iterable[int]] = ..., inodes: _Optional[_Iterable[int]] = ..., sizes: _Optional[_Iterable[int]] = ..., targets: _Optional[_Iterable[bytes]] = ...) -> None: ...

class ScanTreeRequest(_message.Message):
    __slots__ = ("ticket", "source", "parent", "quiesce", "count", "exclude")
    TICKET_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    QUIESCE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_FIELD_NUMBER: _ClassVar[int]
    ticket: Ticket
    source: str
    parent: bytes
    quiesce: bool
    count: bool
    exclude: Exclude
    def __init__(self, ticket: _Optional[_Union[Ticket, _Mapping]] = ..., source: _Optional[str] = ..., parent: _Optional[bytes] = ..., quiesce: _Optional[bool] = ..., count: _Optional[bool] = ..., exclude: _Optional[_Union[Exclude, _Mapping]] = ...) -> None: ...

class ScanTreeReply(_message.Message):
    __slots__ = ("began", "entries", "ended")
    class Began(_message.Message):
        __slots__ = ("began_ns", "started_ns", "bytes_total")
        BEGAN_NS_FIELD_NUMBER: _ClassVar[int]
        STARTED_NS_FIELD_NUMBER: _ClassVar[int]
        BYTES_TOTAL_FIELD_NUMBER: _ClassVar[int]
        began_ns: int
        started_ns: int
        bytes_total: int
        def __init__(self, began_ns: _Optional[int] = ..., started_ns: _Optional[int] = ..., bytes_total: _Optional[int] = ...) -> None: ...
    class Ended(_message.Message):
        __slots__ = ("warnings_total", "warnings", "excluded")
        WARNINGS_TOTAL_FIELD_NUMBER: _ClassVar[int]
        WARNINGS_FIELD_NUMBER: _ClassVar[int]
        EXCLUDED_FIELD_NUMBER: _ClassVar[int]
        warnings_total: int
        warnings: _containers.RepeatedCompositeFieldContainer[Warning]
        excluded: Excluded
        def __init__(self, warnings_total: _Optional[int] = ..., warnings: _Optional[_Iterable[_Union[Warning, _Mapping]]] = ..., excluded: _Optional[_Union[Excluded, _Mapping]] = ...) -> None: ...
    BEGAN_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    began: ScanTreeReply.Began
    entries: TreeEntries
    ended: ScanTreeReply.Ended
    def __init__(self, began: _Optional[_Union[ScanTreeReply.Began, _Mapping]] = ..., entries: _Optional[_Union[TreeEntries, _Mapping]] = ..., ended: _Optional[_Union[ScanTreeReply.Ended, _Mapping]] = ...) -> None: ...

class ReadTreeRequest(_message.Message):
    __slots__ = ("ticket", "aside", "entries", "starts", "stops", "in_place", "headers", "known")
    TICKET_FIELD_NUMBER: _ClassVar[int]
    ASIDE_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    STARTS_FIELD_NUMBER: _ClassVar[int]
    STOPS_FIELD_NUMBER: _ClassVar[int]
    IN_PLACE_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    KNOWN_FIELD_NUMBER: _ClassVar[int]
    ticket: Ticket
    aside: bool
    entries: TreeEntries
    starts: _containers.RepeatedScalarFieldContainer[int]
    stops: _containers.RepeatedScalarFieldContainer[int]
    in_place: bytes
    headers: _containers.RepeatedScalarFieldContainer[int]
    known: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, ticket: _Optional[_Union[Ticket, _Mapping]] = ..., aside: _Optional[bool] = ..., entries: _Optional[_Union[TreeEntries, _Mapping]] = ..., starts: _Optional[_Iterable[int]] = ..., stops: _Optional[_Iterable[int]] = ..., in_place: _Optional[bytes] = ..., headers: _Optional[_Iterable[int]] = ..., known: _Optional[_Iterable[bytes]] = ...) -> None: ...

class ReadTreeReply(_message.Message):
    __slots__ = ("data", "steps")
    class Attribute(_message.Message):
        __slots__ = ("name", "content")
        NAME_FIELD_NUMBER: _ClassVar[int]
        CONTENT_FIELD_NUMBER: _ClassVar[int]
        name: bytes
        content: bytes
        def __init__(self, name: _Optional[bytes] = ..., content: _Optional[bytes] = ...) -> None: ...
    class Small(_message.Message):
        __slots__ = ("sizes", "notes")
        class Note(_message.Message):
            __slots__ = ("index", "changed", "gone", "xattrs")
            INDEX_FIELD_NUMBER: _ClassVar[int]
            CHANGED_FIELD_NUMBER: _ClassVar[int]
            GONE_FIELD_NUMBER: _ClassVar[int]
            XATTRS_FIELD_NUMBER: _ClassVar[int]
            index: int
            changed: bool
            gone: str
            xattrs: _containers.RepeatedCompositeFieldContainer[ReadTreeReply.Attribute]
            def __init__(self, index: _Optional[int] = ..., changed: _Optional[bool] = ..., gone: _Optional[str] = ..., xattrs: _Optional[_Iterable[_Union[ReadTreeReply.Attribute, _Mapping]]] = ...) -> None: ...
        SIZES_FIELD_NUMBER: _ClassVar[int]
        NOTES_FIELD_NUMBER: _ClassVar[int]
        sizes: _containers.RepeatedScalarFieldContainer[int]
        notes: _containers.RepeatedCompositeFieldContainer[ReadTreeReply.Small.Note]
        def __init__(self, sizes: _Optional[_Iterable[int]] = ..., notes: _Optional[_Iterable[_Union[ReadTreeReply.Small.Note, _Mapping]]] = ...) -> None: ...
    class Opened(_message.Message):
        __slots__ = ("ranges", "delta", "head", "gone")
        RANGES_FIELD_NUMBER: _ClassVar[int]
        DELTA_FIELD_NUMBER: _ClassVar[int]
        HEAD_FIELD_NUMBER: _ClassVar[int]
        GONE_FIELD_NUMBER: _ClassVar[int]
        ranges: _containers.RepeatedScalarFieldContainer[int]
        delta: bool
        head: bytes
        gone: str
        def __init__(self, ranges: _Optional[_Iterable[int]] = ..., delta: _Optional[bool] = ..., head: _Optional[bytes] = ..., gone: _Optional[str] = ...) -> None: ...
    class Runs(_message.Message):
        __slots__ = ("offsets", "sizes")
        OFFSETS_FIELD_NUMBER: _ClassVar[int]
        SIZES_FIELD_NUMBER: _ClassVar[int]
        offsets: _containers.RepeatedScalarFieldContainer[int]
        sizes: _containers.RepeatedScalarFieldContainer[int]
        def __init__(self, offsets: _Optional[_Iterable[int]] = ..., sizes: _Optional[_Iterable[int]] = ...) -> None: ...
    class Closed(_message.Message):
        __slots__ = ("hashes", "changed", "xattrs", "gone")
        HASHES_FIELD_NUMBER: _ClassVar[int]
        CHANGED_FIELD_NUMBER: _ClassVar[int]
        XATTRS_FIELD_NUMBER: _ClassVar[int]
        GONE_FIELD_NUMBER: _ClassVar[int]
        hashes: bytes
        changed: bool
        xattrs: _containers.RepeatedCompositeFieldContainer[ReadTreeReply.Attribute]
        gone: str
        def __init__(self, hashes: _Optional[bytes] = ..., changed: _Optional[bool] = ..., xattrs: _Optional[_Iterable[_Union[ReadTreeReply.Attribute, _Mapping]]] = ..., gone: _Optional[str] = ...) -> None: ...
    class End(_message.Message):
        __slots__ = ("consistency",)
        CONSISTENCY_FIELD_NUMBER: _ClassVar[int]
        consistency: Consistency
        def __init__(self, consistency: _Optional[_Union[Consistency, str]] = ...) -> None: ...
    class Step(_message.Message):
        __slots__ = ("small", "opened", "content", "runs", "closed", "end")
        SMALL_FIELD_NUMBER: _ClassVar[int]
        OPENED_FIELD_NUMBER: _ClassVar[int]
        CONTENT_FIELD_NUMBER: _ClassVar[int]
        RUNS_FIELD_NUMBER: _ClassVar[int]
        CLOSED_FIELD_NUMBER: _ClassVar[int]
        END_FIELD_NUMBER: _ClassVar[int]
        small: ReadTreeReply.Small
        opened: ReadTreeReply.Opened
        content: int
        runs: ReadTreeReply.Runs
        closed: ReadTreeReply.Closed
        end: ReadTreeReply.End
        def __init__(self, small: _Optional[_Union[ReadTreeReply.Small, _Mapping]] = ..., opened: _Optional[_Union[ReadTreeReply.Opened, _Mapping]] = ..., content: _Optional[int] = ..., runs: _Optional[_Union[ReadTreeReply.Runs, _Mapping]] = ..., closed: _Optional[_Union[ReadTreeReply.Closed, _Mapping]] = ..., end: _Optional[_Union[ReadTreeReply.End, _Mapping]] = ...) -> None: ...
    DATA_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    steps: _containers.RepeatedCompositeFieldContainer[ReadTreeReply.Step]
    def __init__(self, data: _Optional[bytes] = ..., steps: _Optional[_Iterable[_Union[ReadTreeReply.Step, _Mapping]]] = ...) -> None: ...

class CommitTreeRequest(_message.Message):
    __slots__ = ("ticket", "snapshot")
    TICKET_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    ticket: Ticket
    snapshot: bytes
    def __init__(self, ticket: _Optional[_Union[Ticket, _Mapping]] = ..., snapshot: _Optional[bytes] = ...) -> None: ...

class CommitTreeReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class LookTreeRequest(_message.Message):
    __slots__ = ("ticket", "path")
    TICKET_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    ticket: Ticket
    path: bytes
    def __init__(self, ticket: _Optional[_Union[Ticket, _Mapping]] = ..., path: _Optional[bytes] = ...) -> None: ...

class LookTreeReply(_message.Message):
    __slots__ = ("entries",)
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: TreeEntries
    def __init__(self, entries: _Optional[_Union[TreeEntries, _Mapping]] = ...) -> None: ...
