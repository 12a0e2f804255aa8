"""The place of the backups: a target of any kind, given on the command line."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import Any

from opener.errors import Cannot
from repository.storage import Storage
from targets.kinds import Option, OptionInvalid, TargetKind
from targets.registry import KINDS, storage_open


def place_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of every target kind. The first argument of a kind selects it; exactly one is required."""
    place = parser.add_argument_group("where the backups lie")
    where = place.add_mutually_exclusive_group(required=True)
    for kind in KINDS:
        for at, (name, option) in enumerate(_arguments(kind)):
            word: dict[str, Any] = {"metavar": name.rpartition("_")[2].upper()}
            if option.type is bool:
                word = {"action": "store_const", "const": not option.default}
            group = place if at else where
            group.add_argument(option.argument, help=(option.argument_help or option.help).replace("%", "%%"), **word)


def place_open(arguments: Namespace) -> Storage:
    """The storage; opens no connection yet. Raises `Cannot`."""
    given = {name: value for name, value in vars(arguments).items() if value is not None}
    kind = next(kind for kind in KINDS if next(_arguments(kind))[0] in given)
    values = {option.name: given[name] for name, option in _arguments(kind) if name in given}
    try:
        return storage_open(kind, kind.found_here(values))
    except OptionInvalid as error:
        word = next((option.argument for _, option in _arguments(kind) if option.name == error.name), None)
        raise Cannot(f"{word}: {error.reason}" if word else error.reason) from None


def _arguments(kind: TargetKind) -> Iterator[tuple[str, Option]]:
    """The options with an argument, each with the name that argparse gives to its value."""
    for option in kind.options:
        if option.argument:
            yield option.argument.lstrip("-").replace("-", "_"), option
