"""Enums of the wire: a string in Python, JSON and rows, and in a message the number that the proto gives it."""

import enum
from typing import Any, Final, Self

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire

_UNSPECIFIED: Final = "UNSPECIFIED"


class Word(enum.StrEnum):
    """Base of the enums that stand in messages. A member has the name of a proto value, without that enum's prefix."""

    number: Any
    """The value in a message. The generated stubs have a type of their own for each enum."""

    def __init_subclass__(cls, *, proto: EnumTypeWrapper, unspecified: str = "") -> None:
        """`unspecified` names the member that a message means when it says nothing.

        Raises TypeError when the members are not the values of `proto`.
        """
        super().__init_subclass__()
        prefix = proto.Name(0).removesuffix(_UNSPECIFIED)
        numbers = {name.removeprefix(prefix): number for name, number in proto.items()}
        nothing = numbers.pop(_UNSPECIFIED)
        if unspecified:
            numbers[unspecified] = nothing
        if numbers.keys() != cls.__members__.keys():
            raise TypeError(f"{cls.__name__} and the proto differ: {numbers.keys() ^ cls.__members__.keys()}")
        for name, number in numbers.items():
            cls[name].number = number

    @classmethod
    def of(cls, number: int) -> Self | None:
        """The member that a message means, None for one of a newer version or for no value."""
        return next((member for member in cls if member.number == number), None)

    @classmethod
    def words(cls) -> list[str]:
        """The members as plain strings, in their order."""
        return [member.value for member in cls]


class WarningKind(Word, proto=wire.Warning.Kind):
    """Reason why a path was not captured as it was, or stays as it is in a restore."""

    CHANGED = "changed"
    """Grew, shrank or was written while it was read: the archive has a mixture."""
    VANISHED = "vanished"
    """Listed, then gone: the archive does not have it."""
    UNREADABLE = "unreadable"
    """Forbidden to the sidecar: the archive does not have it."""
    SKIPPED = "skipped"
    """A device, FIFO or socket: the archive does not have it."""
    LEFT_OUT = "left_out"
    """Of a restore: a path that was there and that the backup could not take."""
    HOLDS = "holds"
    """Of a restore: a folder that stays because of something in it."""
    MOUNTED = "mounted"
    """A file, or a folder that the sidecar cannot restore into, is mounted there: the archive has it.

    Of a restore: it stays, and so does a folder at which a volume is mounted, whatever becomes of its content.
    """
    LINKED_OUT = "linked_out"
    """A symbolic link to something outside the tree: the archive has the link and not its target.

    Of a restore: a link that is followed and stays.
    """
    FIXED = "fixed"
    """Of a restore: immutable, append-only, or in a folder that the sidecar may not change."""
    COMPANION = "companion"
    """Of a restore: it belongs together with a file that stays."""
    EXCLUDED = "excluded"
    """A pattern left it out on purpose, which is no warning: the archive does not have it. Of a restore: it stays."""
    PATTERN = "pattern"
    """A file of patterns with impossible lines, which left out nothing: the archive has the file."""


STAYING: Final = (
    WarningKind.UNREADABLE,
    WarningKind.SKIPPED,
    WarningKind.LEFT_OUT,
    WarningKind.HOLDS,
    WarningKind.MOUNTED,
    WarningKind.LINKED_OUT,
    WarningKind.FIXED,
    WarningKind.COMPANION,
)
"""Reasons why a restore cannot change a live path."""


class Consistency(Word, proto=wire.Consistency):
    """State of the data when it was packed."""

    QUIESCED = "quiesced"
    """The game had written everything, and held still from the first byte to the last."""
    STOPPED = "stopped"
    """The game did not run."""
    LIVE = "live"
    """The game ran and wrote: files may be of different moments, and a database among them may not open."""


class TarFormat(Word, proto=wire.ArchiveFormat):
    """Format of an archive that a sidecar packs, with the value that it has in `archives.formats`."""

    TARGZ = "tar.gz"
    TARZST = "tar.zst"


class Mode(Word, proto=wire.ExtractMode):
    """Treatment of live paths that the archive does not have."""

    REPLACE = "replace"
    """They are removed: afterwards the data is as in the archive."""
    OVERLAY = "overlay"
    """They stay."""


class ServerControl(Word, proto=wire.ServerControl, unspecified="AUTO"):
    """Treatment of the game server while a restore exchanges names."""

    AUTO = "auto"
    """Stopped where its profile can and it runs, else left alone."""
    STOP = "stop"
    """Stopped, and started again if it ran; the restore fails where that cannot be."""
    LEAVE = "leave"


class Phase(Word, proto=wire.ExtractToReply.Phase):
    """Step of an extraction.

    Nothing live is touched, and all can be cancelled, until `EXCHANGING`: from then on the journal decides.
    """

    COMPARING = "comparing"
    """Nothing is written yet. Left out when there is nothing to compare with."""
    STAGING = "staging"
    STOPPING = "stopping"
    """The game server is being stopped, if it is to be."""
    EXCHANGING = "exchanging"
    DONE = "done"


class OutcomeKind(Word, proto=wire.GetExtractOutcomeReply.Outcome):
    """State of an operation's extraction in the sidecar's journal."""

    NONE = "none"
    """The sidecar knows of no exchange: nothing was touched."""
    RUNNING = "running"
    """The exchange has no end yet. With an error, it could not be ended and no call works on it."""
    COMPLETED = "completed"
    """The data is wholly new."""
    ROLLED_BACK = "rolled_back"
    """The data is wholly old."""


class ChangeKind(Word, proto=wire.PreviewRestoreReply.Change.Kind):
    """Effect that a restore would have on a path."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"
    STAYS = "stays"
    """It would be removed or replaced, if a backup could bring it back."""
