"""The rule of names: any script is allowed; invisible characters and changes of text direction are not."""

from __future__ import annotations

import pytest
from django.utils import translation

from common.errors import error_detail
from common.names import name_allowed, name_isolated, names_isolated
from common.paths import path_parsed, path_text

HONEST = [
    "Before the raid",
    "ليلى، قبل التنين",
    "שלום",
    "\u200f\u05e9\u05dc\u200e (2)",
    "夜の世界",
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "👩\u200d🚀 🗺\ufe0f",
    "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "\u0601 1",
    "",
    "  ",
]
TURNING = ["\u202a", "\u202b", "\u202c", "\u202d", "\u202e", "\u2066", "\u2067", "\u2068", "\u2069"]
UNSEEN = [
    "\u00ad", "\u034f", "\u115f", "\u1160", "\u17b4", "\u180e", "\u200b", "\u2060", "\u2061", "\u2064", "\u206a",
    "\u206f", "\u2800", "\u3164", "\ufeff", "\uffa0", "\ufff9", "\U0001d173", "\U000e0001", "\U000e0041",
]  # fmt: skip
CONTROLS = ["\x00", "\x1b", "\n", "\r", "\t", "\x7f", "\x85", "\x9b", "\u2028", "\u2029", "\ud800"]


@pytest.mark.parametrize("name", HONEST, ids=ascii)
def test_honest_name_is_allowed(name):
    assert name_allowed(name)


@pytest.mark.parametrize("letter", [*TURNING, *UNSEEN, *CONTROLS], ids=ascii)
@pytest.mark.parametrize("name", ["{}gpj.exe", "a{}b", "ab{}", "ليل{}"])
def test_name_with_bidi_or_invisible_characters_is_refused(name, letter):
    assert not name_allowed(name.format(letter))


@pytest.mark.parametrize("name", ["\u200d", " \u200c ", "\u200e\u200f", "\u061c"], ids=ascii)
def test_name_of_which_nothing_is_seen_is_refused(name):
    assert not name_allowed(name)


@pytest.mark.parametrize("letter", [*TURNING, *CONTROLS[:-1]], ids=ascii)
def test_plain_text_is_not_turned_by_a_name(letter):
    shown = name_isolated(f"a{letter}b\u2069 ليل")
    assert shown == "\u2068a\ufffdb\ufffd ليل\u2069"
    assert name_isolated("Nightly 夜") == "Nightly 夜"


def test_sentence_of_a_page_isolates_and_escapes_its_names():
    made = names_isolated("“%(name)s” & more", name="<b>\u202e")
    assert made == "“<bdi>&lt;b&gt;\u202e</bdi>” &amp; more"


@pytest.mark.parametrize("letter", [*TURNING, *UNSEEN, *CONTROLS[:-1]], ids=ascii)
def test_path_shows_bidi_and_invisible_characters(letter):
    path = f"plugins/{letter}gnp.exe".encode()
    text = path_text(path)
    assert letter not in text
    assert text.isprintable()
    assert path_parsed(text) == path


def test_error_isolates_the_names_in_its_sentence():
    with translation.override("en"):
        detail = error_detail(code="status_conflict", params={"status": "\u202eليل"})
    assert "\u2068\ufffdليل\u2069" in detail
