"""Parts and pages that apps further up add to the order page."""

from __future__ import annotations

import pytest
from django.template import engines

from backups.web import panels
from backups.web.panels import Panel, Place, Shown, Tab, panels_register, tabs_register
from tests.web.backups.reading import read


@pytest.fixture
def registry(monkeypatch):
    """The registry of this test alone."""
    monkeypatch.setattr(panels, "_PANELS", {})
    monkeypatch.setattr(panels, "_TABS", {})


def said(text: str):
    template = engines["django"].from_string(f'<p class="added">{text}: {{{{ shown.word }}}} {{{{ order.name }}}}</p>')
    return lambda _request, _order: Shown(template, {"word": "hello"})


@pytest.mark.parametrize("place", list(Place))
def test_added_panel_is_shown_in_its_place(place, rental, owner, registry):
    rental.stored()
    panels_register([Panel(name="one", place=place, show=said(place.value))])
    page = read(owner.get(rental.page))
    assert page.one("section", id="backups").one(class_="added").text == f"{place.value}: hello {rental.order.name}"


def test_changed_panel_is_news_for_a_poll(rental, owner, registry):
    word = ["first"]
    panels_register(
        [
            Panel(
                name="one",
                place=Place.STATE,
                show=lambda _request, _order: Shown("backups/marks.html", {"word": word[0]}),
            )
        ]
    )
    poll = read(owner.get(rental.page)).one("section", id="backups")["hx-get"]
    assert owner.get(poll, headers={"HX-Request": "true"}).status_code == 204
    word[0] = "second"
    assert owner.get(poll, headers={"HX-Request": "true"}).status_code == 200


def test_added_page_is_linked_for_those_who_may_open_it(rental, owner, registry):
    tabs_register(
        [
            Tab(name="seen", label="Seen", address="page-order-activity"),
            Tab(name="hidden", label="Hidden", address="page-order-activity", shown=lambda _request, _order: False),
        ]
    )
    links = read(owner.get(rental.page)).one("nav", class_="tabs").text
    assert "Seen" in links
    assert "Hidden" not in links


def test_one_name_is_registered_once(registry):
    panel = Panel(name="one", place=Place.STATE, show=said("x"))
    tab = Tab(name="one", label="One", address="page-order")
    panels_register([panel])
    tabs_register([tab])
    with pytest.raises(RuntimeError, match="two of the name one"):
        panels_register([panel])
    with pytest.raises(RuntimeError, match="two of the name one"):
        tabs_register([tab])
