"""The parts of every page: form fields, messages, error pages, and their sizes."""

from __future__ import annotations

from pathlib import Path

import pytest
from django import forms
from django.conf import settings
from django.contrib.staticfiles import finders
from django.template.loader import render_to_string

FIELD = "components/field.html"


class Order(forms.Form):
    name = forms.CharField(help_text="Shown in lists.")
    note = forms.CharField(required=False)
    right = forms.ChoiceField(widget=forms.RadioSelect, choices=[("look", "May look")], help_text="For now.")
    safe = forms.BooleanField(required=False)
    secret = forms.CharField(widget=forms.HiddenInput)

    def clean(self):
        raise forms.ValidationError("These <b>do not fit</b>.")


def field(name, data=None):
    return render_to_string(FIELD, {"field": Order(data)[name]})


def test_hint_and_error_are_tied_to_the_input_that_they_describe():
    html = field("name", {"name": ""})
    assert 'aria-describedby="id_name_helptext id_name_error"' in html
    assert 'aria-invalid="true"' in html
    assert 'id="id_name_helptext">Shown in lists.' in html
    assert '<div id="id_name_error">' in html


def test_a_field_without_mistakes_claims_none():
    html = field("name")
    assert "aria-invalid" not in html
    assert "id_name_error" not in html
    assert '<label for="id_name">Name</label>' in html


def test_only_optional_fields_are_called_optional():
    assert "(optional)" in field("note")
    assert "(optional)" not in field("name")
    assert "(optional)" not in field("safe")


def test_choices_are_a_group_that_its_hint_and_error_describe():
    html = field("right", {"right": "all"})
    assert (
        '<fieldset class="field choices" id="id_right_group" aria-describedby="id_right_helptext id_right_error">'
        in html
    )
    assert "<legend>Right</legend>" in html
    assert '<label class="choice" for="id_right_0">' in html


def test_a_hidden_field_is_its_input_and_nothing_else():
    assert field("secret").strip() == '<input type="hidden" name="secret" id="id_secret">'


def test_error_of_a_whole_form_is_escaped_and_gets_the_focus():
    html = render_to_string("components/form_errors.html", {"form": Order({})})
    assert 'role="alert" tabindex="-1" autofocus' in html
    assert "These &lt;b&gt;do not fit&lt;/b&gt;." in html
    assert render_to_string("components/form_errors.html", {"form": Order()}).strip() == ""


@pytest.mark.parametrize("name", ["400.html", "403_csrf.html", "429.html", "500.html"])
def test_a_page_about_a_failure_needs_neither_context_nor_database(name):
    html = render_to_string(name)
    assert "<h1>" in html
    assert "<script" not in html


def test_no_template_has_anything_that_the_content_security_policy_forbids():
    mail = Path(settings.BASE_DIR) / "templates/notices/mail.html"  # a mail has no policy, and no style sheet
    for path in {*(Path(settings.BASE_DIR) / "templates").rglob("*.html")} - {mail}:
        source = path.read_text()
        assert "<style" not in source, path
        assert " style=" not in source, path
        assert " onclick=" not in source, path
        assert "hx-on" not in source, path
        assert source.count("<script") == source.count("<script src="), path


def test_assets_leave_room_for_the_page_within_100_kilobytes():
    loaded = ["django_htmx/htmx-2.min.js", *(f"savepoint/{name}" for name in ("savepoint.css", "savepoint.js"))]
    icons = ["savepoint/icons.svg", "savepoint/favicon.svg"]
    assert sum(Path(finders.find(name)).stat().st_size for name in loaded + icons) < 90_000
