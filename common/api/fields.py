"""Strict input and plain output: a number is no name, an unknown field is an error, a time is UTC."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from common.names import NAME_LENGTH_MAX, NAME_REFUSED, name_allowed


class NameField(serializers.CharField):
    """A name of 1 to 100 characters on one line.

    It is kept exactly as it was sent: spaces around it stay, since a client should get back the value that it sent. A
    name of white space alone is refused, because it is invisible.
    """

    default_error_messages = {"control": NAME_REFUSED}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=NAME_LENGTH_MAX, trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """The name itself, if it is one."""
        if not isinstance(data, str):
            self.fail("invalid")
        if not name_allowed(data):
            self.fail("control")
        if not data.strip():
            self.fail("blank")
        return data


class StrictBooleanField(serializers.BooleanField):
    """True or false, and no string that merely reads like it."""

    def to_internal_value(self, data: Any) -> bool:
        """The boolean itself, if it is one."""
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class StrictIntegerField(serializers.IntegerField):
    """A whole number, and no string or truth value that merely reads like it."""

    def to_internal_value(self, data: Any) -> int:
        """The number itself, if it is one."""
        if type(data) is not int:
            self.fail("invalid")
        return int(super().to_internal_value(data))


class IdField(serializers.UUIDField):
    """An id as this API writes it, and no number."""

    def to_internal_value(self, data: Any) -> Any:
        """The UUID, out of a text."""
        if not isinstance(data, str):
            self.fail("invalid", value=data)
        return super().to_internal_value(data)


class UtcField(serializers.DateTimeField):
    """A time, shown in UTC with a Z, independent of the caller's time zone."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(default_timezone=UTC, **kwargs)


class StrictSerializer(serializers.Serializer[Any]):
    """The fields of a request's body. One that is not declared is an error: nothing is accepted and ignored."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """The validated fields; raises ValidationError naming every wrong or unknown one."""
        errors: dict[str, Any] = {}
        if isinstance(data, Mapping):
            errors = {name: [_("There is no such field here.")] for name in data if name not in self.fields}
        try:
            values: dict[str, Any] = super().to_internal_value(data)
        except serializers.ValidationError as error:
            raise serializers.ValidationError(errors | error.detail) from None  # type: ignore[operator]  # of a serializer, it is a dict
        if errors:
            raise serializers.ValidationError(errors)
        return values


class NoFields(StrictSerializer):
    """A request without parameters."""
