"""Retention policies: the rules that a plan or a schedule states, and their validation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from django.core.exceptions import ValidationError as FieldError
from django.utils.translation import gettext as _

from common.errors import ValidationError

KEPT_MAX = 10_000
"""The largest number that a rule may state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicy:
    """The backups that are kept. A backup stays when any rule keeps it; a rule of 0 keeps none.

    last: the newest ones. hourly, daily, weekly, monthly, yearly: the newest of each of so many hours, days, ISO weeks,
    months and years that have a backup. within_days: every one that is at most so many days older than the newest.
    A policy without a rule keeps every backup.
    """

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    within_days: int = 0

    @classmethod
    def from_json(cls, value: object, *, field: str = "retention") -> Self:
        """The policy that a JSON object states. Raises ValidationError with the reason, as the error of `field`."""
        if fault := policy_fault(value):
            raise ValidationError(errors={field: [fault]})
        rules: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
        return cls(**rules)

    @property
    def rules(self) -> dict[str, int]:
        """The rules that keep something, in their fixed order: the JSON form of the policy."""
        return {name: kept for name, kept in asdict(self).items() if kept}


RULES = tuple(RetentionPolicy.__dataclass_fields__)
"""The names of the rules, in their fixed order."""


def policy_fault(value: object) -> str:
    """The sentence about the first fault of a policy in its JSON form; empty for a valid one."""
    if not isinstance(value, Mapping):
        return _("A retention is an object with a number for each rule.")
    for name, kept in value.items():
        if name not in RULES:
            return _("There is no rule “%(rule)s”. The rules are: %(rules)s.") % {
                "rule": name,
                "rules": ", ".join(RULES),
            }
        if not isinstance(kept, int) or isinstance(kept, bool) or not 0 <= kept <= KEPT_MAX:
            return _("“%(rule)s” takes a whole number from 0 to %(most)s.") % {"rule": name, "most": KEPT_MAX}
    return ""


def policy_validate(value: object) -> None:
    """Raise Django's ValidationError for an impossible policy, as a validator of its field does."""
    if fault := policy_fault(value):
        raise FieldError(fault, code="retention")
