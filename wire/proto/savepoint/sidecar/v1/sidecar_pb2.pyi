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
    __slots__ = ("version", "data_free_bytes", "scratch_free_bytes", "profile", "can_quiesce", "can_stop")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DATA_FREE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SCRATCH_FREE_BYTES_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    CAN_QUIESCE_FIELD_NUMBER: _ClassVar[int]
    CAN_STOP_FIELD_NUMBER: _ClassVar[int]
    version: str
    data_free_bytes: int
    scratch_free_bytes: int
    profile: str
    can_quiesce: bool
    can_stop: bool
    def __init__(self, version: _Optional[str] = ..., data_free_bytes: _Optional[int] = ..., scratch_free_bytes: _Optional[int] = ..., profile: _Optional[str] = ..., can_quiesce: _Optional[bool] = ..., can_stop: _Optional[bool] = ...) -> None: ...

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
    KIND_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    kind: Warning.Kind
    path: bytes
    def __init__(self, kind: _Optional[_Union[Warning.Kind, str]] = ..., path: _Optional[bytes] = ...) -> None: ...

class CompressFilesRequest(_message.Message):
    __slots__ = ("ticket", "sources", "output", "format", "listing", "quiesce")
    TICKET_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    LISTING_FIELD_NUMBER: _ClassVar[int]
    QUIESCE_FIELD_NUMBER: _ClassVar[int]
    ticket: Ticket
    sources: _containers.RepeatedScalarFieldContainer[str]
    output: str
    format: ArchiveFormat
    listing: str
    quiesce: bool
    def __init__(self, ticket: _Optional[_Union[Ticket, _Mapping]] = ..., sources: _Optional[_Iterable[str]] = ..., output: _Optional[str] = ..., format: _Optional[_Union[ArchiveFormat, str]] = ..., listing: _Optional[str] = ..., quiesce: _Optional[bool] = ...) -> None: ...

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
    __slots__ = ("size_bytes", "crc32", "entries", "warnings_total", "warnings", "consistency", "content_bytes")
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    CRC32_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_FIELD_NUMBER: _ClassVar[int]
    CONTENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    size_bytes: int
    crc32: int
    entries: int
    warnings_total: int
    warnings: _containers.RepeatedCompositeFieldContainer[Warning]
    consistency: Consistency
    content_bytes: int
    def __init__(self, size_bytes: _Optional[int] = ..., crc32: _Optional[int] = ..., entries: _Optional[int] = ..., warnings_total: _Optional[int] = ..., warnings: _Optional[_Iterable[_Union[Warning, _Mapping]]] = ..., consistency: _Optional[_Union[Consistency, str]] = ..., content_bytes: _Optional[int] = ...) -> None: ...

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
    __slots__ = ("ticket", "source", "destination", "mode", "server", "listing", "paths")
    TICKET_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    SERVER_FIELD_NUMBER: _ClassVar[int]
    LISTING_FIELD_NUMBER: _ClassVar[int]
    PATHS_FIELD_NUMBER: _ClassVar[int]
    ticket: Ticket
    source: str
    destination: str
    mode: ExtractMode
    server: ServerControl
    listing: str
    paths: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, ticket: _Optional[_Union[Ticket, _Mapping]] = ..., source: _Optional[str] = ..., destination: _Optional[str] = ..., mode: _Optional[_Union[ExtractMode, str]] = ..., server: _Optional[_Union[ServerControl, str]] = ..., listing: _Optional[str] = ..., paths: _Optional[_Iterable[bytes]] = ...) -> None: ...

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
    __slots__ = ("ticket",)
    TICKET_FIELD_NUMBER: _ClassVar[int]
    ticket: Ticket
    def __init__(self, ticket: _Optional[_Union[Ticket, _Mapping]] = ...) -> None: ...

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
    __slots__ = ("ticket",)
    TICKET_FIELD_NUMBER: _ClassVar[int]
    ticket: Ticket
    def __init__(self, ticket: _Optional[_Union[Ticket, _Mapping]] = ...) -> None: ...

class ReleaseExtractReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RestoreTreeRequest(_message.Message):
    __slots__ = ("header", "listing", "listing_bytes", "contents_of", "data", "hole")
    class Header(_message.Message):
        __slots__ = ("ticket", "destination", "mode", "server", "paths")
        TICKET_FIELD_NUMBER: _ClassVar[int]
        DESTINATION_FIELD_NUMBER: _ClassVar[int]
        MODE_FIELD_NUMBER: _ClassVar[int]
        SERVER_FIELD_NUMBER: _ClassVar[int]
        PATHS_FIELD_NUMBER: _ClassVar[int]
        ticket: Ticket
        destination: str
        mode: ExtractMode
        server: ServerControl
        paths: _containers.RepeatedScalarFieldContainer[bytes]
        def __init__(self, ticket: _Optional[_Union[Ticket, _Mapping]] = ..., destination: _Optional[str] = ..., mode: _Optional[_Union[ExtractMode, str]] = ..., server: _Optional[_Union[ServerControl, str]] = ..., paths: _Optional[_Iterable[bytes]] = ...) -> None: ...
    HEADER_FIELD_NUMBER: _ClassVar[int]
    LISTING_FIELD_NUMBER: _ClassVar[int]
    LISTING_BYTES_FIELD_NUMBER: _ClassVar[int]
    CONTENTS_OF_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    HOLE_FIELD_NUMBER: _ClassVar[int]
    header: RestoreTreeRequest.Header
    listing: bytes
    listing_bytes: int
    contents_of: int
    data: bytes
    hole: int
    def __init__(self, header: _Optional[_Union[RestoreTreeRequest.Header, _Mapping]] = ..., listing: _Optional[bytes] = ..., listing_bytes: _Optional[int] = ..., contents_of: _Optional[int] = ..., data: _Optional[bytes] = ..., hole: _Optional[int] = ...) -> None: ...

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
