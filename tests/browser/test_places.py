"""The tables of all pages are complete."""

from __future__ import annotations

from django.urls import resolve

import accounts.urls
import backups.urls
from tests.browser.places import NO_PAGES, OPEN, WITHOUT_SECOND_FACTOR


def test_every_page_of_the_product_is_visited(furnished):
    paths = [*OPEN.values(), *WITHOUT_SECOND_FACTOR.values(), *furnished.places.values()]
    paths = [path.partition("?")[0] for path in paths if path != "/nothing/here/"]
    visited = {resolve(path).url_name for path in paths}
    pages = {pattern.name for pattern in [*accounts.urls.web, *backups.urls.web]}
    assert visited == pages - NO_PAGES
