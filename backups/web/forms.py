"""Forms about backups."""

from __future__ import annotations

import unicodedata
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from backups.labels import NOTES_LENGTH_MAX, TAG_LENGTH_MAX, TAGS_MAX, notes_clean, tags_of
from backups.models import Depth
from common.names import NAME_LENGTH_MAX, name_validate
from orders.patterns import PATTERNS_LENGTH_MAX, patterns_of, patterns_text_validate
from wire.enums import Mode


class NameField(forms.CharField):
    """The name of a backup, by the same rule as over the API; spaces around it are a slip of the hand."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(label=gettext_lazy("Name"), max_length=NAME_LENGTH_MAX, **kwargs)
        self.widget.attrs |= {"autocomplete": "off"}

    def validate(self, value: str) -> None:
        """Raise Django's ValidationError for an invalid name."""
        super().validate(value)
        name_validate(value)


class PatternsField(forms.CharField):
    """Patterns of files to leave out, one on each line; its value is the lines."""

    def __init__(self, **kwargs: Any) -> None:
        attrs = {"rows": 5, "dir": "ltr", "autocapitalize": "off", "spellcheck": "false", "autocomplete": "off"}
        super().__init__(
            label=gettext_lazy("Patterns"),
            required=False,
            strip=False,
            max_length=PATTERNS_LENGTH_MAX,
            widget=forms.Textarea(attrs=attrs),
            validators=[patterns_text_validate],
            **kwargs,
        )

    def clean(self, value: Any) -> Any:
        """The lines. Raises Django's ValidationError with the first impossible one."""
        return patterns_of(super().clean(value))


class ExcludeForm(forms.Form):
    """The patterns of a server."""

    exclude = PatternsField(
        help_text=gettext_lazy(
            "One pattern on each line, as in a file .gitignore: *.log, /cache/, !keep.log. The last one that matches "
            "decides."
        )
    )


class NotesField(forms.CharField):
    """Notes on a backup."""

    def __init__(self) -> None:
        widget = forms.Textarea(attrs={"rows": 3})
        super().__init__(
            label=gettext_lazy("Notes"), required=False, strip=True, max_length=2 * NOTES_LENGTH_MAX, widget=widget
        )

    def clean(self, value: Any) -> str:
        """The notes. Raises Django's ValidationError."""
        return notes_clean(super().clean(value))


class TagsField(forms.CharField):
    """Tags of a backup, separated by commas; its value is a list."""

    def __init__(self, *, required: bool = False) -> None:
        super().__init__(
            label=gettext_lazy("Tags"),
            required=required,
            max_length=TAGS_MAX * (TAG_LENGTH_MAX + 2),
            widget=forms.TextInput(attrs={"autocomplete": "off"}),
            help_text=gettext_lazy("Short words, separated by commas: before update, event"),
        )

    def clean(self, value: Any) -> Any:
        """The tags. Raises Django's ValidationError."""
        return tags_of(super().clean(value))


class TagsForm(forms.Form):
    """Tags that are added to several backups."""

    tags = TagsField(required=True)


class BackupCreateForm(forms.Form):
    """A new backup."""

    name = NameField(
        required=False, help_text=gettext_lazy("Helps you to find it again. Without one it gets date and time.")
    )
    exclude = PatternsField(
        help_text=gettext_lazy(
            "Of this backup alone. One pattern on each line, as in a file .gitignore: *.log, /cache/"
        )
    )
    notes = NotesField()
    tags = TagsField()


class BackupRenameForm(forms.Form):
    """Another name for a backup, and its notes and tags; a field that was not sent stays as it is."""

    name = NameField()
    notes = NotesField()
    tags = TagsField()

    def sent(self, name: str) -> Any:
        """The value of a field, or None when it was not sent."""
        return self.cleaned_data[name] if self.add_prefix(name) in self.data else None


class VerifyForm(forms.Form):
    """How thoroughly a backup is verified."""

    depth = forms.ChoiceField(choices=[(depth, depth) for depth in (Depth.STRUCTURE, Depth.DATA, Depth.RESTORE)])


class NoFieldsForm(forms.Form):
    """A confirmation by a button alone."""


class UndoForm(forms.Form):
    """A confirmation that asks for the server's name only when the backup is of a collapsed server."""

    server = forms.CharField(
        label=gettext_lazy("Name of the server"),
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, server_name: str, collapsed: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.collapsed = collapsed
        self.server_name = server_name

    def name_needed(self, values: dict[str, Any]) -> bool:  # noqa: ARG002  # a subclass looks at what was chosen
        """Whether the name must be typed."""
        return self.collapsed

    def clean(self) -> dict[str, Any]:
        """Compare the typed name; capitals and outer spaces are forgiven, so that no phone's keyboard is a lock."""
        values = super().clean() or {}
        if self.name_needed(values) and _plain(values.get("server", "")) != _plain(self.server_name):
            self.add_error("server", _("This is not the name of the server. Nothing was changed."))
        return values


class RestoreForm(UndoForm):
    """The options of a restore. The name must also be typed when files are removed without a copy.

    The two boxes choose the less safe options, so that a form without them is the safe one.
    """

    mode = forms.ChoiceField(choices=[(mode, mode) for mode in Mode])
    without_safety = forms.BooleanField(required=False)
    leave_running = forms.BooleanField(required=False)

    def __init__(self, *args: Any, has_safety: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._has_safety = has_safety

    def name_needed(self, values: dict[str, Any]) -> bool:
        """Whether the name must be typed."""
        kept = self._has_safety and not values.get("without_safety")
        return self.collapsed or (values.get("mode") == Mode.REPLACE and not kept)


def _plain(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
