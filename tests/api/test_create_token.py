"""The command that creates tokens."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import ApiToken
from accounts.services.tokens import token_authenticate
from tests.factories import UserFactory


@pytest.fixture(autouse=True)
def user(db):
    return UserFactory(username="ada")


def run(*arguments):
    out = StringIO()
    call_command("create_token", *arguments, stdout=out)
    return out.getvalue()


def test_command_prints_only_the_token(user):
    printed = run("ada")
    assert printed.count("\n") == 1
    token = token_authenticate(printed.strip())
    assert (token.user, token.scopes, token.expires_at, token.name) == (user, [], None, "command line")
    assert printed.strip() not in str(ApiToken.objects.values().get())


@pytest.mark.parametrize("scopes", [["view", "create"], ["view,create"], ["create,", "view", "view"]])
def test_command_accepts_scopes(scopes):
    run("ada", "--scopes", *scopes)
    assert ApiToken.objects.get().scopes == ["create", "view"]


def test_command_accepts_an_end_and_a_name():
    run("ada", "--expires", "30", "--name", "billing")
    token = ApiToken.objects.get()
    assert token.name == "billing"
    assert abs(token.expires_at - timezone.now() - timedelta(days=30)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    "arguments",
    [
        ["bob"],
        ["ada", "--scopes", "everything"],
        ["ada", "--expires", "0"],
        ["ada", "--expires", "-1"],
        ["ada", "--expires", "soon"],
        ["ada", "--expires", "99999999999"],
        ["ada", "--name", ""],
        ["ada", "--name", "x" * 101],
    ],
)
def test_invalid_argument_is_one_line_and_no_token(arguments):
    with pytest.raises(CommandError) as refused:
        run(*arguments)
    assert "\n" not in str(refused.value)
    assert refused.value.returncode == 1
    assert not ApiToken.objects.exists()
