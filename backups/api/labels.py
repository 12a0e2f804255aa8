"""Notes and tags as the API takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from rest_framework import serializers

from backups.labels import TAG_LENGTH_MAX, TAGS_MAX, notes_clean, tags_clean

Given = TypeVar("Given")
Cleaned = TypeVar("Cleaned")


class NotesField(serializers.CharField):
    """Notes: up to 2000 characters, on as many lines as wanted."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_blank=True, trim_whitespace=False, required=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """The notes, if they are some."""
        if not isinstance(data, str):
            self.fail("invalid")
        return _checked(notes_clean, data)


class TagField(serializers.CharField):
    """One tag. A number is none."""

    def to_internal_value(self, data: Any) -> str:
        """The text itself; `TagsField` looks at it."""
        if not isinstance(data, str):
            self.fail("invalid")
        return data


class TagsField(serializers.ListField):
    """Tags, each once whatever its case."""

    def __init__(self, **kwargs: Any) -> None:
        help_text = f"At most {TAGS_MAX}, of 1 to {TAG_LENGTH_MAX} characters without a comma."
        super().__init__(child=TagField(), **{"required": False, "help_text": help_text, **kwargs})

    def to_internal_value(self, data: Any) -> list[str]:
        """The tags, if all of them are."""
        return _checked(tags_clean, super().to_internal_value(data))


def _checked(clean: Callable[[Given], Cleaned], value: Given) -> Cleaned:
    try:
        return clean(value)
    except ValidationError as error:
        raise serializers.ValidationError(error.messages) from None
