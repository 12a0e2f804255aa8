"""The tables of all pages are complete."""

from __future__ import annotations

from django.urls import resolve

import accounts.urls
import backups.urls
import notices.urls
import schedules.urls
from tests.browser.places import NO_PAGES


def test_every_page_of_the_product_is_visited(furnished):
    paths = [path.partition("?")[0] for _, _, path in furnished.all if path != "/nothing/here/"]
    visited = {resolve(path).url_name for path in paths}
    apps = (accounts, backups, notices, schedules)
    pages = {pattern.name for app in apps for pattern in app.urls.web}
    assert visited == pages - NO_PAGES
