"""The reasons of retention in words: why a backup stays, and why one goes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.utils.functional import Promise
from django.utils.translation import pgettext, pgettext_lazy

from schedules.retention import Reason

REASON_WORDS: Mapping[Reason, str | Promise] = {
    Reason.LAST: pgettext_lazy("reason to keep a backup", "among the newest"),
    Reason.HOURLY: pgettext_lazy("reason to keep a backup", "newest of its hour"),
    Reason.DAILY: pgettext_lazy("reason to keep a backup", "newest of its day"),
    Reason.WEEKLY: pgettext_lazy("reason to keep a backup", "newest of its week"),
    Reason.MONTHLY: pgettext_lazy("reason to keep a backup", "newest of its month"),
    Reason.YEARLY: pgettext_lazy("reason to keep a backup", "newest of its year"),
    Reason.WITHIN_DAYS: pgettext_lazy("reason to keep a backup", "of the last days"),
    Reason.LOCKED: pgettext_lazy("reason to keep a backup", "locked"),
    Reason.SAFETY: pgettext_lazy("reason to keep a backup", "safety backup"),
    Reason.BUSY: pgettext_lazy("reason to keep a backup", "in use"),
    Reason.AHEAD: pgettext_lazy("reason to keep a backup", "its time has not come yet"),
    Reason.LAST_GOOD: pgettext_lazy("reason to keep a backup", "last good one"),
    Reason.LAST_PROVEN: pgettext_lazy("reason to keep a backup", "last proven one"),
    Reason.AMONG_KEPT: pgettext_lazy("reason to keep a backup", "newer than one that is kept"),
    Reason.NO_RULE: pgettext_lazy("reason to keep a backup", "no rule removes it"),
    Reason.NO_LONGER_KEPT: pgettext_lazy("reason to remove a backup", "no rule keeps it"),
    Reason.OVER_LIMIT: pgettext_lazy("reason to remove a backup", "the oldest above the limit of the plan"),
}


def reasons_text(reasons: Iterable[Reason]) -> str:
    """Some reasons in one line."""
    return pgettext("rules of a retention", ", ").join(str(REASON_WORDS[reason]) for reason in reasons)
