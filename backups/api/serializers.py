"""Backups as the API takes and shows them."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from backups.api.labels import NotesField, TagsField
from backups.caution import backup_caution
from backups.models import Backup, BackupStatus, Depth
from backups.services.restores import PATHS_MAX
from common.api.fields import IdField, NameField, StrictBooleanField, StrictSerializer, UtcField
from common.paths import path_within
from operations.api.serializers import OperationSerializer
from orders.api.patterns import PATTERNS_HELP, PatternsField
from orders.models import BackupFormat
from wire.enums import ChangeKind, Mode, ServerControl

NEW_VOLUME = "new"
"""The destination of a restore that is a new volume."""


class ExcludedSerializer(serializers.Serializer[Any]):
    """The files that patterns left out of a backup."""

    entries = serializers.IntegerField(help_text="Files and folders, with everything below them.")
    bytes = serializers.IntegerField(help_text="Bytes of file content.")
    patterns = serializers.ListField(
        child=serializers.CharField(), help_text="All patterns in force; the last one that matches a path decides."
    )


class DamagedFileSerializer(serializers.Serializer[Any]):
    """One file that cannot be restored."""

    path = serializers.CharField(help_text="Relative to the server's files; other bytes than UTF-8, and `%`, as `%XX`.")
    reason = serializers.CharField()


class DamagedSerializer(serializers.Serializer[Any]):
    """The files of a backup that cannot be restored."""

    files = serializers.IntegerField(allow_null=True, help_text="Null when no file of the backup can be restored.")
    paths = DamagedFileSerializer(many=True, help_text="The first 100.")


class ProofSerializer(serializers.Serializer[Any]):
    """The result of the newest verification."""

    depth = serializers.ChoiceField(choices=Depth.choices)
    at = serializers.CharField()
    seconds = serializers.FloatField()
    counted = serializers.DictField(child=serializers.IntegerField(), help_text="What was looked at.")
    ok = serializers.BooleanField()
    damaged = DamagedFileSerializer(many=True, default=list, help_text="The first damaged files, at most 3.")


class BackupSerializer(serializers.Serializer[Any]):
    """A backup with its newest operation."""

    id = serializers.UUIDField()
    order = serializers.UUIDField(source="order_id")
    provision = serializers.UUIDField(source="provision_id")
    name = serializers.CharField()
    status = serializers.ChoiceField(choices=BackupStatus.choices)
    asset_id = serializers.UUIDField(allow_null=True, help_text="What to download.")
    size_bytes = serializers.SerializerMethodField(
        help_text="Size of the download. In the format `repository` that of the files, until a first complete download."
    )
    added_bytes = serializers.IntegerField(allow_null=True, help_text="What this backup alone added to the storage.")
    unique_bytes = serializers.IntegerField(
        allow_null=True,
        help_text="Stored bytes that only this backup uses, as of the last sample: a delete frees them.",
    )
    stored_bytes = serializers.IntegerField(
        source="fair_bytes",
        allow_null=True,
        help_text="Its share of the stored bytes that it uses, as of the last sample.",
    )
    sha256 = serializers.CharField(
        source="asset.sha256",
        allow_null=True,
        help_text="Hash of the download. In the format `repository` null until a first complete download.",
    )
    created_at = UtcField()
    completed_at = UtcField(allow_null=True)
    notes = serializers.CharField()
    tags = serializers.ListField(child=serializers.CharField())
    schedule = serializers.UUIDField(source="schedule_id", allow_null=True, help_text="The schedule that made it.")
    locked = serializers.BooleanField(help_text="Kept from deletion.")
    safety = serializers.BooleanField(source="is_safety", help_text="Made by the product before a restore.")
    expires_at = UtcField(allow_null=True, help_text="When a safety backup goes, unless it is locked.")
    format = serializers.CharField(help_text="`archive` or `repository`.")
    source = serializers.CharField(  # type: ignore[assignment]  # the name is the contract's
        help_text="What was read: `files`, or the kind of database."
    )
    consistency = serializers.CharField(
        allow_null=True,
        help_text="`quiesced`, `stopped`, or `live`: copied while the game wrote, so a database in it may not open.",
    )
    warnings = serializers.SerializerMethodField(
        help_text="Files that changed or could not be read, and one more when the server had lost most of its files."
    )
    verified_at = UtcField(allow_null=True)
    degraded = serializers.BooleanField(help_text="Whether a restore, a download or a check found it damaged.")
    damaged = DamagedSerializer(
        allow_null=True, help_text="The files that verifications found damaged; a restore as a whole is refused."
    )
    proof = ProofSerializer(allow_null=True, help_text="The newest verification.")
    collapsed = serializers.BooleanField(
        help_text="Whether the server had lost most of its files, or had none. A restore needs `accept_collapsed`."
    )
    caution = serializers.SerializerMethodField(help_text="Why not to rely on it, in a sentence. Null for a good one.")
    excluded = serializers.SerializerMethodField(help_text="What patterns left out of it on purpose.")
    operation = serializers.SerializerMethodField(help_text="The newest operation on this backup.")

    def get_size_bytes(self, backup: Backup) -> int | None:
        """The size of the download if it is known, else that of the files."""
        known = backup.asset.size_bytes if backup.asset else None
        return backup.size_bytes if known is None else known

    def get_warnings(self, backup: Backup) -> int:
        """Warnings: files that could not be captured as they were, and the collapse of the server."""
        return backup.warnings_total + backup.collapsed

    def get_caution(self, backup: Backup) -> str | None:
        """The warning about the backup, in the reader's language."""
        return backup_caution(backup) or None

    @extend_schema_field(ExcludedSerializer)
    def get_excluded(self, backup: Backup) -> Any:
        """The files that patterns left out, none before that is known."""
        return backup.excluded or {"entries": 0, "bytes": 0, "patterns": []}

    @extend_schema_field(OperationSerializer(allow_null=True))
    def get_operation(self, backup: Backup) -> Any:
        """The newest operation, out of the context."""
        operation = backup.operation
        return None if operation is None else OperationSerializer(operation).data


class BackupCreateFields(StrictSerializer):
    """The parameters of a new backup."""

    name = NameField(required=False, help_text="Default: “Backup” and the date and time.")
    format = serializers.ChoiceField(
        choices=BackupFormat.values, required=False, help_text="Default: as the plan of the order says."
    )
    exclude = PatternsField(required=False, help_text=f"{PATTERNS_HELP} They count for this backup alone.")
    notes = NotesField()
    tags = TagsField()


class PatternCountSerializer(serializers.Serializer[Any]):
    """A pattern, and what it leaves out."""

    pattern = serializers.CharField()
    entries = serializers.IntegerField(help_text="Files and folders, with everything below them.")
    bytes = serializers.IntegerField()
    impossible = serializers.BooleanField(
        help_text="A wrong line of the file `.savepointignore`, which leaves out nothing."
    )


class ExcludedPathSerializer(serializers.Serializer[Any]):
    """A path that would be left out."""

    path = serializers.CharField(help_text="Relative to the server's files; other bytes than UTF-8, and `%`, as `%XX`.")
    is_folder = serializers.BooleanField()
    pattern = serializers.CharField(help_text="The pattern that leaves it out.")
    entries = serializers.IntegerField(help_text="Itself, and everything below it.")
    bytes = serializers.IntegerField()


class EstimateQuery(serializers.Serializer[Any]):
    """The parameters of an estimate."""

    exclude = PatternsField(required=False)


class EstimateSerializer(serializers.Serializer[Any]):
    """What a backup would hold if it were made now."""

    entries = serializers.IntegerField(help_text="Files, folders and links.")
    bytes = serializers.IntegerField(help_text="Bytes of file content.")
    changed_bytes = serializers.IntegerField(
        help_text="Of files that changed since the last good backup; of all without one."
    )
    seconds = serializers.IntegerField(allow_null=True, help_text="How long it takes; null without an earlier one.")
    excluded = PatternCountSerializer(many=True, help_text="Every pattern in force, in their order.")
    paths = ExcludedPathSerializer(
        many=True,
        allow_null=True,
        help_text="The first paths that would be left out. Null without the right to read the data.",
    )
    more = serializers.BooleanField(help_text="Whether further paths would be left out.")


class BackupUpdateFields(StrictSerializer):
    """The fields of a backup that can be changed."""

    name = NameField(required=False)
    locked = StrictBooleanField(required=False, help_text="Whether it is kept from deletion.")
    notes = NotesField()
    tags = TagsField()
    collapsed = StrictBooleanField(
        required=False, help_text="`false`: the server was meant to be so small, and this is a good backup of it."
    )

    def validate_collapsed(self, collapsed: bool) -> bool:  # noqa: FBT001  # the framework's signature
        """People clear the mark; only the product sets it."""
        if collapsed:
            raise serializers.ValidationError(gettext("Only false can be sent here."))
        return collapsed


class PathField(serializers.CharField):
    """A path in a backup: relative, UTF-8, other bytes and `%` as `%XX`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=1 << 16, trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        """The path in bytes. Raises ValidationError for a text that is no path below the server's files."""
        if not isinstance(data, str):
            self.fail("invalid")
        try:
            return path_within(super().to_internal_value(data))
        except ValueError:
            raise serializers.ValidationError(gettext("This is no path below the server's files.")) from None


class AcceptCollapsedField(StrictBooleanField):
    """The consent to a restore from a backup of a server that had lost most of its files."""

    def __init__(self) -> None:
        super().__init__(
            default=False, help_text="Bring it back although the server had lost most of its files in it (`collapsed`)."
        )


@extend_schema_field({"oneOf": [{"type": "string", "format": "uuid"}, {"type": "string", "enum": [NEW_VOLUME]}]})
class DestinationField(IdField):
    """The id of a server, or the word for a new volume."""

    def to_internal_value(self, data: Any) -> Any:
        """The UUID, or the word."""
        return data if data == NEW_VOLUME else super().to_internal_value(data)


class BackupRestoreFields(StrictSerializer):
    """The parameters of a restore."""

    mode = serializers.ChoiceField(
        choices=Mode.words(),
        default=Mode.REPLACE.value,
        help_text="`replace`: afterwards the data is as in the backup. `overlay`: extra files stay.",
    )
    safety_backup = StrictBooleanField(
        default=True, help_text="First keep what is there now, as long as the plan says, so that it can be undone."
    )
    server = serializers.ChoiceField(
        choices=[ServerControl.STOP.value, ServerControl.LEAVE.value],
        required=False,
        help_text="The game server while files are exchanged. Default: stopped where its profile can, then started.",
    )
    accept_collapsed = AcceptCollapsedField()
    destination = DestinationField(
        required=False,
        help_text=(
            "Another server (provision) of the same customer and game, or `new`: a new volume beside the server, whose "
            "id is the `volume` of the operation. It takes `paths` and no other parameter. Default: the server of the "
            "backup."
        ),
    )
    paths = serializers.ListField(
        child=PathField(), required=False, allow_empty=False, max_length=PATHS_MAX,
        help_text="Bring only these back, with everything below them. Default: everything.",
    )  # fmt: skip

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A new volume has nothing to keep, to stop or to accept: what says so is an error."""
        if attrs.get("destination") == NEW_VOLUME:
            others = self.initial_data.keys() - {"destination", "paths"}
            if others:
                refused = [gettext("This has no meaning for a new volume.")]
                raise serializers.ValidationError(dict.fromkeys(sorted(others), refused))
        return attrs


class BackupUndoFields(StrictSerializer):
    """The parameters of an undo."""

    accept_collapsed = AcceptCollapsedField()


class ChangeSerializer(serializers.Serializer[Any]):
    """One path that a restore would change."""

    path = serializers.CharField(help_text="Relative to the server's files; other bytes than UTF-8, and `%`, as `%XX`.")
    change = serializers.ChoiceField(
        choices=ChangeKind.words(),
        help_text="`stays`: it would be removed or replaced, but a restore cannot change it, or could lose it.",
    )
    size_bytes = serializers.IntegerField(help_text="Bytes of content that would be written, or would go.")


class PreviewSerializer(serializers.Serializer[Any]):
    """The preview of a restore."""

    added = serializers.IntegerField()
    changed = serializers.IntegerField()
    removed = serializers.IntegerField()
    stays = serializers.IntegerField(
        help_text="Would be removed or replaced, but a restore cannot change them, or could lose them."
    )
    bytes = serializers.IntegerField(help_text="Bytes of content that would be written.")
    paths = ChangeSerializer(many=True, allow_null=True, help_text="Null without the right to read the data.")
    next = serializers.CharField(allow_null=True, help_text="What to send as `after` for the next paths.")
