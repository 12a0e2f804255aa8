"""The kinds of events: their names in the API, and their texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from common.errors import Params, error_detail
from common.names import name_isolated
from common.sizes import size_text

Text = str | Promise
NO_PARAMS: Params = {}


class EventKind(StrEnum):
    """The kinds; the values are part of the API."""

    BACKUP_READY = "backup.ready"
    BACKUP_FAILED = "backup.failed"
    BACKUP_FAILING = "backup.failing"
    BACKUP_WARNINGS = "backup.warnings"
    BACKUP_RECOVERED = "backup.recovered"
    BACKUP_ABSENT = "backup.absent"
    BACKUP_DELETED = "backup.deleted"
    RESTORE_SUCCEEDED = "restore.succeeded"
    RESTORE_FAILED = "restore.failed"
    RESTORE_UNDONE = "restore.undone"
    LIMIT_NEAR = "limit.near"
    PLAN_REDUCED = "plan.reduced"
    ORDER_SUSPENDED = "order.suspended"
    TARGET_UNREACHABLE = "target.unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The texts of a kind. title: in a few words. sentence: filled with an event's params. titles, instead: others, for
    events with a param of that name. tone, icon: of pages.
    """

    title: Text
    sentence: Text
    titles: Mapping[str, Text] = field(default_factory=dict)
    instead: Mapping[str, Text] = field(default_factory=dict)
    tone: str = "info"
    icon: str = "info"


K = EventKind
WORDS: Mapping[EventKind, Words] = {
    K.BACKUP_READY: Words(
        title=gettext_lazy("Backup ready"), sentence=gettext_lazy("“%(name)s” is ready."), tone="ok", icon="check"
    ),
    K.BACKUP_FAILED: Words(
        title=gettext_lazy("Backup failed"),
        sentence=gettext_lazy("“%(name)s” could not be created."),
        tone="bad",
        icon="warning",
    ),
    K.BACKUP_FAILING: Words(
        title=gettext_lazy("Backups fail repeatedly"),
        sentence=gettext_lazy("Backups in a row that failed: %(count)s. The newest is “%(name)s”."),
        tone="bad",
        icon="warning",
    ),
    K.BACKUP_WARNINGS: Words(
        title=gettext_lazy("Backup with warnings"),
        sentence=gettext_lazy("“%(name)s” is ready. Warnings about files: %(count)s."),
        tone="warn",
        icon="warning",
    ),
    K.BACKUP_RECOVERED: Words(
        title=gettext_lazy("Backups succeed again"),
        sentence=gettext_lazy("“%(name)s” is ready; the backup before it had failed."),
        tone="ok",
        icon="check",
    ),
    K.BACKUP_ABSENT: Words(
        title=gettext_lazy("Good backup overdue"),
        sentence=gettext_lazy("The server has had no good backup for longer than was promised."),
        tone="bad",
        icon="warning",
    ),
    K.BACKUP_DELETED: Words(
        title=gettext_lazy("Backup deleted"), sentence=gettext_lazy("“%(name)s” was deleted."), icon="trash"
    ),
    K.RESTORE_SUCCEEDED: Words(
        title=gettext_lazy("Restore done"), sentence=gettext_lazy("“%(name)s” was restored."), tone="ok", icon="restore"
    ),
    K.RESTORE_FAILED: Words(
        title=gettext_lazy("Restore failed"),
        sentence=gettext_lazy("“%(name)s” could not be restored."),
        tone="bad",
        icon="warning",
    ),
    K.RESTORE_UNDONE: Words(
        title=gettext_lazy("Restore undone"),
        sentence=gettext_lazy("The restore of “%(name)s” was undone."),
        tone="ok",
        icon="undo",
    ),
    K.LIMIT_NEAR: Words(
        title=gettext_lazy("Limit of the plan is near"),
        sentence=gettext_lazy("The backups take %(percent)s %% of what the plan allows."),
        tone="warn",
        icon="warning",
    ),
    K.PLAN_REDUCED: Words(
        title=gettext_lazy("The plan keeps fewer backups"),
        sentence=gettext_lazy(
            "Backups that are removed on %(removal_at)s: %(backups)s. Until then they can be downloaded."
        ),
        tone="warn",
        icon="warning",
    ),
    K.ORDER_SUSPENDED: Words(
        title=gettext_lazy("Order suspended"),
        sentence=gettext_lazy("No new backup is made. Existing backups are kept and can be downloaded."),
        titles={"days": gettext_lazy("Backups are removed soon")},
        instead={
            "locked": gettext_lazy(
                "The backups can be downloaded until %(removal_at)s, then they are removed, and these locked ones with "
                "them: %(locked)s."
            ),
            "removal_at": gettext_lazy(
                "No new backup is made. The backups can be downloaded until %(removal_at)s, then they are removed."
            ),
        },
        tone="warn",
        icon="warning",
    ),
    K.TARGET_UNREACHABLE: Words(
        title=gettext_lazy("Storage not reached"),
        sentence=gettext_lazy("The storage “%(name)s” does not answer. No stored backup is lost by that."),
        tone="bad",
        icon="server",
    ),
}

URGENT = frozenset(
    {K.BACKUP_FAILED, K.BACKUP_FAILING, K.BACKUP_RECOVERED, K.BACKUP_ABSENT, K.RESTORE_FAILED, K.LIMIT_NEAR,
     K.PLAN_REDUCED, K.ORDER_SUSPENDED, K.TARGET_UNREACHABLE}
)  # fmt: skip
"""The kinds that are mailed unless the reader chose otherwise."""
QUIET = frozenset({K.BACKUP_READY})
"""The kinds that do not reach the inbox unless the reader chose them."""
FOR_STAFF = frozenset({K.TARGET_UNREACHABLE, K.BACKUP_FAILING, K.BACKUP_ABSENT, K.RESTORE_FAILED})
"""The kinds that the staff channels of the portal receive."""


def kind_choices() -> list[tuple[str, Text]]:
    """Names and titles, for forms and filters."""
    return [(kind.value, WORDS[kind].title) for kind in EventKind]


def event_title(kind: str, params: Params = NO_PARAMS) -> str:
    """An event in a few words, in the active language."""
    words = WORDS[EventKind(kind)]
    return str(_chosen(words.titles, words.title, params))


def event_sentence(*, kind: str, code: str, params: Params) -> str:
    """An event as a sentence in the active language, with the sentence of its error if it has one."""
    shown: dict[str, str | int] = {name: _shown(name, value) for name, value in params.items() if name != "error"}
    try:
        words = WORDS[EventKind(kind)]
        said = str(_chosen(words.instead, words.sentence, params)) % shown
    except (KeyError, ValueError):
        # Parameters of another release: the title is still true.
        said = event_title(kind, params)
    if not code:
        return said
    return " ".join([said, error_detail(code=code, params=error_params(params))])


def error_params(params: Mapping[str, object]) -> Params:
    """The parameters of an event's error."""
    stored = params.get("error")
    return dict(stored) if isinstance(stored, dict) else {}


def digest_title(*, kind: str, params: Params, count: int) -> str:
    """The title of several events of a kind, of which one has these params, with their number."""
    title = event_title(kind, params)
    return title if count == 1 else _("%(title)s (%(count)s)") % {"title": title, "count": count}


def _chosen(texts: Mapping[str, Text], otherwise: Text, params: Params) -> Text:
    return next((text for name, text in texts.items() if name in params), otherwise)


def _shown(name: str, value: object) -> str | int:
    if name.endswith("_at"):
        moment = timezone.localtime(datetime.fromisoformat(str(value)))
        return f"{date_format(moment, 'DATETIME_FORMAT')} {moment:%Z}"
    if isinstance(value, int) and not isinstance(value, bool):
        return size_text(value) if name.endswith("_bytes") else value
    return name_isolated(str(value))
