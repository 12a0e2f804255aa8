"""Lists by time, page by page, by a cursor that stays right while rows come and go."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet
from django.utils.translation import gettext as _

from common.errors import ValidationError

CURSOR = "cursor"
"""The name of the cursor in a query string."""

T = TypeVar("T", bound=Model)
_OLDER, _NEWER = "o", "n"


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows of a list; `older` and `newer` are the cursors of the pages beside it, or None at an end."""

    rows: list[T]
    older: str | None
    newer: str | None


@dataclass(frozen=True, slots=True)
class _Cursor:
    """A place in the order, and which side of it is wanted."""

    side: str
    moment: datetime
    id: UUID

    @classmethod
    def parse(cls, text: str) -> _Cursor:
        """Raises ValidationError for anything this module did not write."""
        try:
            side, moment, row_id = base64.urlsafe_b64decode(text).decode("ascii").split(" ")
            cursor = cls(side, datetime.fromisoformat(moment).astimezone(UTC), UUID(row_id))
        except (ValueError, OverflowError):
            cursor = None
        if cursor is None or cursor.side not in (_OLDER, _NEWER):
            raise ValidationError(errors={CURSOR: [_("This is no cursor of this list.")]})
        return cursor

    def __str__(self) -> str:
        text = f"{self.side} {self.moment.isoformat()} {self.id}"
        return base64.urlsafe_b64encode(text.encode("ascii")).decode("ascii")

    def rows(self, rows: QuerySet[Any], *, by: str, oldest_first: bool) -> QuerySet[Any]:
        """The rows on the wanted side, the nearest first."""
        if (self.side == _OLDER) is not oldest_first:
            beyond = Q(**{f"{by}__lt": self.moment}) | Q(id__lt=self.id)
            return rows.filter(beyond, **{f"{by}__lte": self.moment}).order_by(f"-{by}", "-id")
        beyond = Q(**{f"{by}__gt": self.moment}) | Q(id__gt=self.id)
        return rows.filter(beyond, **{f"{by}__gte": self.moment}).order_by(by, "id")


def page_read(
    rows: QuerySet[T], *, cursor: str | None, size: int, by: str = "created_at", oldest_first: bool = False
) -> Page[T]:
    """The page of at most `size` rows that a cursor names, or the first. by: the column of their time, besides `id`.

    oldest_first: `older` is the page behind this one all the same. The time alone would never end where a page's worth
    of rows shares one. Raises ValidationError for a cursor that is not of this list.
    """
    place = _Cursor.parse(cursor) if cursor else None
    first = (by, "id") if oldest_first else (f"-{by}", "-id")
    ordered = place.rows(rows, by=by, oldest_first=oldest_first) if place else rows.order_by(*first)
    found = list(ordered[: size + 1])
    more, page = len(found) > size, found[:size]
    backwards = place is not None and place.side == _NEWER
    if backwards:
        page.reverse()
    older = bool(page) and (more or backwards)
    newer = bool(page) and place is not None and (more or not backwards)
    return Page(
        rows=page,
        older=_beside(_OLDER, page[-1], by=by) if older else None,
        newer=_beside(_NEWER, page[0], by=by) if newer else None,
    )


def _beside(side: str, row: Any, *, by: str) -> str:
    return str(_Cursor(side, getattr(row, by), row.id))
