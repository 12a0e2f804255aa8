"""Every text in every language: none is missing, fuzzy, or older than the code."""

from __future__ import annotations

import gettext
import os
import re
import shutil
import subprocess
import sys

import pytest
from babel.messages.pofile import read_po
from django.conf import settings
from django.utils.translation import to_locale

from tests.lint import ROOT, files_tracked
from tests.services.require import program_require

LOCALES = [to_locale(code) for code, _name in settings.LANGUAGES if code != "en"]
PLACEHOLDER = re.compile(r"%\([a-z_]+\)[sd]|\{[a-z_:X]+\}|</?[a-z]+>|(?<!%)%s")
COLLECT = ["makemessages", "--all", "--no-location", "--no-obsolete", "--no-wrap", "-v", "0"]


def catalog(locale, root=ROOT):
    return root / "locale" / locale / "LC_MESSAGES" / "django.po"


def messages(locale):
    with catalog(locale).open("rb") as file:
        return [message for message in read_po(file, locale=locale) if message.id]


def texts(message):
    """The English and the translated texts of a message: one of each, or one for each plural form."""
    single = isinstance(message.id, str)
    return ([message.id], [message.string]) if single else (list(message.id), list(message.string))


def without_dates(path):
    return [line for line in path.read_text().splitlines() if not line.startswith('"POT-Creation-Date')]


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    """A copy of the project with newly collected texts."""
    program_require("xgettext", package="gettext")
    copy = tmp_path_factory.mktemp("collected")
    for path in files_tracked(".py", ".html", ".txt", ".po", ".js"):
        place = copy / path.relative_to(ROOT)
        if place.parts[len(copy.parts)] == "tests" and place.name != "settings.py":
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    environ = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": str(copy)}
    subprocess.run([sys.executable, "manage.py", *COLLECT, "--ignore=tests"], cwd=copy, env=environ, check=True)
    return copy


@pytest.mark.parametrize("locale", LOCALES)
def test_every_text_of_the_code_is_in_the_catalog_and_nothing_else(locale, collected):
    assert without_dates(catalog(locale, collected)) == without_dates(catalog(locale))


@pytest.mark.parametrize("locale", LOCALES)
def test_nothing_is_missing_or_doubtful(locale):
    found = messages(locale)
    assert len(found) > 300
    missing = [message.id for message in found if message.fuzzy or not all(texts(message)[1])]
    assert missing == []


@pytest.mark.parametrize("locale", LOCALES)
def test_placeholders_and_tags_survive_translation(locale):
    wrong = []
    for message in messages(locale):
        english, translated = texts(message)
        wanted = set(PLACEHOLDER.findall(english[-1]))
        # A plural form for none, one or two may spell the number out.
        found = [set(PLACEHOLDER.findall(text)) for text in translated]
        if found[-1] != wanted or any(not part <= wanted for part in found):
            wrong.append(message.id)
    assert wrong == []


@pytest.mark.parametrize("locale", LOCALES)
def test_the_compiled_catalog_is_that_of_its_source(locale):
    with catalog(locale).with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for message in messages(locale):
        english, translated = texts(message)
        context = f"{message.context}\x04" if message.context else ""
        entry = compiled._catalog
        if len(english) == 1:
            assert entry[context + english[0]] == translated[0]
        else:
            assert [entry[context + english[0], form] for form in range(len(translated))] == translated
