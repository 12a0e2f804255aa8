"""The inbox."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.web.pages import PageView
from common.paging import CURSOR, page_read
from notices.kinds import WORDS, EventKind
from notices.models import Notice
from notices.selectors import notices_of
from notices.services.preferences import notices_read

PAGE_SIZE = 50
ALL = "all"


class InboxView(PageView):
    """The notices of a user, newest first."""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        """Show a page of them."""
        page = page_read(notices_of(self.user), cursor=request.GET.get(CURSOR) or None, size=PAGE_SIZE)
        context = {
            "rows": [_shown(notice) for notice in page.rows],
            "older": page.older,
            "newer": page.newer,
            "prefix": reverse("inbox"),
        }
        return render(request, "notices/inbox.html", context)

    def post(self, request: HttpRequest) -> HttpResponseBase:
        """Mark one notice, or all, as read."""
        chosen = request.POST.get("notice", "")
        notices_read(user=self.user, ids=None if chosen == ALL else _ids(chosen))
        return self.done(_("All notices are marked as read.") if chosen == ALL else "")

    def home(self) -> str:
        """The inbox itself."""
        return reverse("inbox")


def _shown(notice: Notice) -> dict[str, object]:
    words = WORDS[EventKind(notice.event.kind)]
    return {"notice": notice, "event": notice.event, "tone": words.tone, "icon": words.icon}


def _ids(text: str) -> list[UUID]:
    try:
        return [UUID(text)]
    except ValueError:
        return []
