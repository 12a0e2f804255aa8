"""Target kinds: all differences between kinds are in one value each. `targets.registry` lists the kinds.

The admin form, the validation, the arguments of `savepoint-open` and the table in docs/operating.md follow that value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from repository.retrying import Retry
from repository.storage import Storage


def gettext_noop(text: str) -> str:
    """Mark a text for the translation catalogs. Returns the English text; the portal translates it for display."""
    return text


NEEDED = gettext_noop("This is missing.")
UNKNOWN = gettext_noop("This kind of target has no such option.")
NOT_TEXT = gettext_noop("This has to be a text.")
NOT_BOOLEAN = gettext_noop("This is either true or false.")
NOT_VALID = "Enter a valid value."
"""Django's text, unmarked: Django's own catalogs translate it."""


class OptionInvalid(ValueError):
    """An option is missing, unknown or not valid. name: of the option. reason: an English sentence."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option of a kind, declared as `Annotated[type, Option(…)]` at a field of its settings.

    secret: stored encrypted and never shown. argument: the argument of `savepoint-open`, empty without one; that of a
    bool inverts the default. argument_help: its help text, if it differs from `help`.

    The field defines the rest. name: in the stored JSON. type: bool, str, or Path for a folder of this machine.
    optional: None is a valid value. required: there is no `default`.
    """

    label: str
    help: str = ""
    secret: bool = False
    argument: str = ""
    argument_help: str = ""
    name: str = ""
    type: type = str
    optional: bool = False
    required: bool = True
    default: Any = None

    def checked(self, given: Mapping[str, Any]) -> Any:
        """Return the given value or the default, converted to the option's type. Raises OptionInvalid."""
        if self.required and self.name not in given:
            raise OptionInvalid(self.name, NEEDED)
        value = given.get(self.name, self.default)
        if value is None and self.optional:
            return None
        if self.type is bool:
            if not isinstance(value, bool):
                raise OptionInvalid(self.name, NOT_BOOLEAN)
            return value
        if not isinstance(value, str):
            raise OptionInvalid(self.name, NOT_TEXT)
        return self.type(value)


@dataclass(frozen=True, kw_only=True)
class TargetKind:
    """One kind of target.

    name: in the database. label: for display. settings: a dataclass whose fields are options (`Option`); it validates
    its values and raises OptionInvalid. open: returns the storage of such settings without a connection; the policy
    applies to each request of a call that makes many. found_here: returns the settings for `savepoint-open`, from its
    arguments and the credentials of this machine; raises OptionInvalid. The first option identifies the place, and its
    argument selects the kind.
    """

    name: str
    label: str
    settings: type[Any]
    open: Callable[[Any, Retry], Storage]
    found_here: Callable[[dict[str, Any]], Any]

    @cached_property
    def options(self) -> tuple[Option, ...]:
        """The options, in the order of the settings."""
        hints = get_type_hints(self.settings, include_extras=True)
        declared = [item for item in fields(self.settings) if get_origin(hints[item.name]) is Annotated]
        return tuple(_option(hints[item.name], item) for item in declared)

    def read(self, *, options: Any, secrets: Any) -> Any:
        """Return the settings of a stored target, from two JSON values that should be objects.

        Raises OptionInvalid for the first option that is not valid, and for `options` or `secrets` that are no object.
        """
        for stored, given, secret in (("options", options, False), ("secrets", secrets, True)):
            if not isinstance(given, Mapping):
                raise OptionInvalid(stored, NOT_VALID)
            for name in sorted(given.keys() - {known.name for known in self.options if known.secret is secret}):
                raise OptionInvalid(name, UNKNOWN)
        return self.settings(
            **{known.name: known.checked(secrets if known.secret else options) for known in self.options}
        )


def _option(hint: Any, item: Field[Any]) -> Option:
    """Complete a declared option from its field."""
    declared, about = get_args(hint)
    kinds = get_args(declared) or (declared,)
    (kind,) = set(kinds) - {type(None)}
    default = {} if item.default is MISSING else {"required": False, "default": item.default}
    option: Option = about
    return replace(option, name=item.name, type=kind, optional=type(None) in kinds, **default)


def folder_checked(name: str, folder: Path) -> None:
    """Raise OptionInvalid unless the folder of this machine is an absolute path."""
    if not folder.is_absolute() or "\0" in str(folder):
        raise OptionInvalid(name, gettext_noop("This has to be an absolute path."))
