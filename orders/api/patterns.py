"""Patterns of files to leave out, as the API takes them."""

from __future__ import annotations

from typing import Any, Final

from rest_framework import serializers

from orders.patterns import LINES_MAX, patterns_fault
from trees.patterns import PATTERN_BYTES_MAX

PATTERNS_HELP: Final = "Patterns of files to leave out, in the syntax of `.gitignore`."


class PatternsField(serializers.ListField):
    """Patterns, one a string. An impossible one is an error that names its line, counted from 1."""

    def __init__(self, **kwargs: Any) -> None:
        child = serializers.CharField(allow_blank=True, trim_whitespace=False, max_length=PATTERN_BYTES_MAX)
        super().__init__(child=child, max_length=LINES_MAX, **kwargs)

    def to_internal_value(self, data: Any) -> list[str]:
        """The patterns, if all of them are possible."""
        lines: list[str] = super().to_internal_value(data)
        if fault := patterns_fault(lines):
            raise serializers.ValidationError([fault])
        return lines
