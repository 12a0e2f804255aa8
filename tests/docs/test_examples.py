"""Each example of the documentation is run, or parsed by the code that reads it; one without a runner fails."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.urls import Resolver404, resolve

from accounts.services.tokens import token_create
from backups.models import Backup
from common.keyring import kek_generate
from demo.run import demo_json
from demo.seed import Login, Rented, Seeded
from opener.arguments import arguments_parse
from sidecar.config import config_read
from sidecar.game.settings import _KEYS as GAME_KEYS
from targets.registry import KINDS
from tests.docs.commands import COMMANDS, command_check
from tests.docs.pages import PAGES, ROOT, Example, anchors, examples, page_name, prose, spans
from tests.factories import UserFactory
from tests.services.require import program_require
from tests.world.rental import Rental

EXAMPLES = examples()
OPTION_TABLE = re.compile(r"^\| ((?:`\w+`(?:, )?)+) \|", re.MULTILINE)


def number(example: Example) -> str:
    return f"{example.page}:{EXAMPLES.index(example)}"


def of(*languages: str) -> list[Any]:
    return [pytest.param(example, id=number(example)) for example in EXAMPLES if example.language in languages]


def test_every_example_says_which_language_it_is_in() -> None:
    unknown = [
        number(example) for example in EXAMPLES if example.language not in ("sh", "toml", "json", "python", "text")
    ]
    assert unknown == []
    assert len(EXAMPLES) > 12


@pytest.mark.parametrize("example", of("text"))
def test_picture_hides_no_command(example: Example) -> None:
    begins = re.compile(rf"^\s*(\$ |{'|'.join(COMMANDS)})\b")
    assert [line for line in example.text.splitlines() if begins.match(line)] == []


RUN_ELSEWHERE = ("jq -r", "grep ", "/suspension/", "/schedules/")
"""Parts of examples that are run elsewhere: below, in `tests/docs/` and in `tests/processes/test_serve.py`."""


@pytest.mark.parametrize(
    "example", [found for found in of("sh") if not any(part in found.values[0].text for part in RUN_ELSEWHERE)]
)
def test_shell_example_is_understood_by_its_command(example: Example, tmp_path: Path) -> None:
    for line in example.lines():
        words = shlex.split(line, comments=True)
        if words[0] == "savepoint-open":
            given = words[: words.index("<")] if "<" in words else words
            assert arguments_parse(given[1:]).command in ("list", "verify", "extract")
        elif words[:2] == ["python", "-c"]:
            done = subprocess.run(
                [sys.executable, *words[1:]], capture_output=True, text=True, check=True, cwd=tmp_path
            )
            assert re.fullmatch(r"1:[\w-]{43}\n", done.stdout)
            assert len(done.stdout) == len(f"1:{kek_generate()}\n")
        else:
            command_check(line.partition("#")[0].strip())


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("example", [found for found in of("sh") if "jq -r" in found.values[0].text])
def test_api_example_makes_and_lists_a_backup(
    example: Example, rental: Rental, live_server: Any, settings: Any, tmp_path: Path
) -> None:
    program_require("curl", package="Debian curl")
    program_require("jq", package="Debian jq")
    settings.SAVEPOINT_URL = live_server.url
    _, secret = token_create(user=rental.owner, name="docs")
    rented = Rented(order=str(rental.order.id), provision=str(rental.server.id))
    login = Login(username="customer", password="", token=secret)
    seeded = Seeded(users={"customer": login, "other": login}, customer=rented, other=rented, no_sidecar=rented)
    place = type("Place", (), {"data_root": tmp_path})
    (tmp_path / "var").mkdir()
    (tmp_path / "var/demo.json").write_text(json.dumps(demo_json({"customer": place}, seeded)))  # type: ignore[dict-item]
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", example.text], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")
    backup = Backup.objects.get()
    assert backup.name == "Before the update"
    assert f'"id": "{backup.id}"' in done.stdout


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("example", [found for found in of("sh") if "/suspension/" in found.values[0].text])
def test_api_example_suspends_an_order_and_lifts_it(example: Example, rental: Rental, live_server: Any) -> None:
    program_require("curl", package="Debian curl")
    _, secret = token_create(user=UserFactory(is_superuser=True), name="billing")
    environ = {**os.environ, "TOKEN": secret, "ORDER": f"{live_server.url}/api/v1/orders/{rental.order.id}"}
    told = []
    for line in example.lines():
        done = subprocess.run(["bash", "-euc", line], capture_output=True, text=True, check=True, env=environ)
        told.append(json.loads(done.stdout))
    assert [order["terminates"] for order in told] == [True, False]
    assert told[0]["removal_at"] > told[0]["suspended_at"]
    assert told[1]["removal_at"] is None


@pytest.mark.parametrize("example", of("toml"))
def test_sidecar_example_is_read_by_the_sidecar(example: Example, tmp_path: Path) -> None:
    """Its paths lie below a folder of the test; a single table is appended to the first example of its page."""
    written = example.text
    if "data_root" not in tomllib.loads(written):
        first = next(found for found in EXAMPLES if found.page == example.page and found.language == "toml")
        written = first.text + written
    written = re.sub(r'"/(?=\w)', f'"{tmp_path}/', written)
    for folder in tomllib.loads(written).get("follow_links_into", []):
        Path(folder).mkdir(parents=True)
    for key, path in re.findall(r'^(\w+)\s*=\s*"(/[^"]+)"', written, re.MULTILINE):
        if key.endswith("_file"):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_text("a-secret-of-some-length\n")
            Path(path).chmod(0o600)
        elif key in ("data_root", "volumes"):
            Path(path).mkdir(parents=True)
    config = tmp_path / "sidecar.toml"
    config.write_text(written)
    read = config_read(config)
    assert read.data_root == tmp_path / "srv/game"
    assert ("[game]" in written) == bool(read.game.stop_command)


def test_table_of_target_options_is_that_of_the_kinds() -> None:
    section = prose(ROOT / "docs/operating.md").split("\n## Storage")[1].split("\n## ")[0]
    words = {True: "yes", False: "no", None: "empty", "": "empty"}
    rows = []
    for kind in KINDS:
        for option in kind.options:
            default = "" if option.required else words.get(option.default, option.default)
            told = "A secret." if option.secret else option.help
            rows.append([kind.label, option.label, f"`{option.name}`", default, told])
    table = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    assert [[cell.strip() for cell in row] for row in table[2:]] == rows


def test_arguments_of_the_kinds_are_shown() -> None:
    shown = {span for page, span in spans() if page == "docs/operating.md"}
    assert {option.argument for kind in KINDS for option in kind.options if option.argument} <= shown


def test_table_of_game_keys_has_no_key_that_is_refused() -> None:
    section = prose(ROOT / "docs/operating.md").split("## The game server")[1].split("\n## ")[0]
    shown = {key for row in OPTION_TABLE.findall(section) for key in re.findall(r"`(\w+)`", row)}
    assert shown - {"profile"} == GAME_KEYS.keys() - {"rcon", "rcon_password_file"}


def commands_in_prose() -> list[str]:
    found = {span for _, span in spans() if re.match(rf"({'|'.join(COMMANDS)}) ", span)}
    return sorted(found)


@pytest.mark.parametrize("command", commands_in_prose())
def test_command_in_the_prose_exists(command: str) -> None:
    command_check(command)


def addresses() -> list[tuple[str, str]]:
    """Addresses on the pages for operators and users."""
    written = {(page, span) for page, span in spans() if re.fullmatch(r"/[a-z0-9/]*[a-z/]", span)}
    return sorted((page, span) for page, span in written if not page.startswith("docs/decisions/"))


@pytest.mark.parametrize(("page", "address"), addresses())
def test_address_in_the_prose_exists(page: str, address: str) -> None:
    try:
        assert resolve(address).url_name != "api-unknown"
    except Resolver404:
        pytest.fail(f"{page} names {address}")


@pytest.mark.parametrize("page", [pytest.param(page, id=page_name(page)) for page in PAGES])
def test_files_and_links_of_a_page_are_there(page: Path) -> None:
    text = prose(page)
    paths = re.findall(r"`((?:[\w.-]+/)+[\w.-]+\.(?:py|md|js|css|proto|html|json|toml))`", text)
    # `app/` stands for any app of this project; paths of tests may begin below their folder.
    gone = [
        path
        for path in paths
        if not path.startswith("app/") and not any((ROOT / top / path).exists() for top in ("", "tests", "repository"))
    ]
    assert gone == []
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


def test_runner_of_each_kind_refuses_a_wrong_example() -> None:
    wrong: list[Callable[[], object]] = [
        lambda: command_check("make nothing"),
        lambda: command_check("make bench NAME=nothing"),
        lambda: command_check("manage.py nothing"),
        lambda: command_check("manage.py reconcile --nothing"),
        lambda: command_check("python -m nothing"),
        lambda: command_check("python -m sidecar --nothing"),
        lambda: command_check("python -m pytest tests/nothing.py"),
        lambda: command_check("python -m pytest -m nothing"),
        lambda: command_check("python -m pytest tests/docs/test_examples.py -k nothing"),
        lambda: command_check("SAVEPOINT_NOTHING=1 python manage.py serve"),
        lambda: command_check("rm -r docs"),
        lambda: command_check("savepoint-open nothing"),
    ]
    for check in wrong:
        with pytest.raises(AssertionError):
            check()
