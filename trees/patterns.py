"""Patterns of paths to leave out, in the syntax of `.gitignore`, matched while a tree is walked.

The last pattern that matches a path decides, and nothing below a folder that is left out can be included again. A
pattern is matched name by name, never against a whole path: a folder carries only the patterns that can still match
below it. So the cost of an entry depends neither on its depth nor on the size of the tree.

Names are bytes: `?` and a range in brackets match one byte.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from trees.companions import units_of
from trees.folders import status_at

LAYER_MAX: Final = 100
"""The most patterns of one origin: a plan, a game profile, a file, a server, one backup."""
PATTERNS_MAX: Final = 5 * LAYER_MAX
PATTERN_BYTES_MAX: Final = 1000
STARS_MAX: Final = 3
"""The most `*` in one name of a pattern."""

_FOLDERS_CACHED: Final = 2048
_SPECIAL: Final = re.compile(rb"[*?\[\\]")
_STARS: Final = re.compile(rb"\*+")
_STAR: Final = b"[^/]*"
"""A star in the library's regular expressions, where nothing else looks like it: no name and no set has a slash."""
_SETS: Final = re.compile(rb"(?<!\\)\[[^\]]*(?:\[|--|&&|~~|\|\|)")
"""A set in a set, such as `[[:alpha:]]`, which the library does not know, and what Python reserves for operators."""


class PatternFault(StrEnum):
    """Why a line is no pattern."""

    EMPTY = "empty"
    """It names nothing."""
    BRACKET = "bracket"
    """A bracket is not closed, its range runs backwards, or it holds another bracket."""
    BACKSLASH = "backslash"
    """A name ends in a backslash that escapes nothing."""
    STARS = "stars"
    """A name has more than `STARS_MAX` stars."""
    LONG = "long"
    """It has more than `PATTERN_BYTES_MAX` bytes."""
    LINES = "lines"
    """It is more than one line, or has a NUL."""
    MANY = "many"
    """It comes after `PATTERNS_MAX` others."""


class PatternRefused(ValueError):
    """The line with this number, counted from 1, is no pattern."""

    def __init__(self, line: int, fault: PatternFault) -> None:
        super().__init__(f"line {line}: {fault}")
        self.line = line
        self.fault = fault


@dataclass(frozen=True, slots=True, eq=False)
class _Name:
    """The pattern of one name: literal, one star with a literal on one side, or a regular expression."""

    literal: bytes | None = None
    begins: bytes | None = None
    ends: bytes | None = None
    regex: Callable[[bytes], object] | None = None

    def matches(self, name: bytes) -> bool:
        """Whether it matches a name."""
        if self.literal is not None:
            return name == self.literal
        if self.begins is not None:
            return name.startswith(self.begins)
        if self.ends is not None:
            return name.endswith(self.ends)
        # The slash tells a name's end from a newline in it.
        return self.regex is not None and self.regex(name + b"/") is not None


@dataclass(frozen=True, slots=True, eq=False)
class _Rule:
    """One pattern. `names`: those of its path, None for any number of folders. `number`: its place among the lines."""

    number: int
    includes: bool
    folders_only: bool
    names: tuple[_Name | None, ...]


_State = tuple[tuple[_Rule, int], ...]
"""For each rule that can match in a folder, the position of the name to match next."""


class FolderPatterns:
    """The patterns as they apply to the names in one folder."""

    def __init__(self, state: _State, known: dict[_State, FolderPatterns]) -> None:
        self._state = state
        self._known = known
        last = [(rule, name) for rule, at in state if at + 1 == len(rule.names) and (name := rule.names[at])]
        self._last = last[::-1]
        self._literals = frozenset(name.literal for _, name in last if name.literal is not None)
        self._begins = tuple({name.begins for _, name in last if name.begins is not None})
        self._ends = tuple({name.ends for _, name in last if name.ends is not None})
        self._regexes = tuple({name.regex for _, name in last if name.regex is not None})

    def excluding(self, name: bytes, *, is_folder: bool, at: int) -> int | None:
        """The number of the pattern that leaves out a name in the open folder `at`; None when the name is not left out.

        A file that belongs to another one, such as the log of a database, is left out only together with that one:
        without it the backup would hold a damaged unit.
        """
        # The common case: no pattern matches.
        if not (name in self._literals or name.endswith(self._ends) or name.startswith(self._begins)):
            slashed = name + b"/"
            for match in self._regexes:
                if match(slashed) is not None:
                    break
            else:
                return None
        number = self._decide(name, is_folder=is_folder)
        return None if number is None or (not is_folder and self._belongs_to_kept(name, at)) else number

    def below(self, name: bytes) -> FolderPatterns | None:
        """The patterns for the folder of this name; None when none can match there."""
        state: dict[tuple[_Rule, int], None] = {}
        for rule, at in self._state:
            here = rule.names[at]
            if here is None:
                state[rule, at] = None
                state[rule, at + 1] = None
            elif at + 1 < len(rule.names) and here.matches(name):
                state.update(dict.fromkeys(_reached(rule, at + 1)))
        return _folder(tuple(state), self._known)

    def _decide(self, name: bytes, *, is_folder: bool) -> int | None:
        for rule, pattern in self._last:
            if (is_folder or not rule.folders_only) and pattern.matches(name):
                return None if rule.includes else rule.number
        return None

    def _belongs_to_kept(self, name: bytes, at: int) -> bool:
        """Whether a file belongs to another one in the open folder that is not left out. Names alone decide."""
        for main, _ in units_of(name):
            if main != name and status_at(main, at=at) is not None and self._decide(main, is_folder=False) is None:
                return True
        return False


def patterns_compile(lines: Sequence[bytes]) -> FolderPatterns | None:
    """The patterns as they apply to the root folder; None when no line is a pattern.

    Blank lines and lines that begin with `#` are none. Raises `PatternRefused` for the first impossible line.
    """
    rules: list[_Rule] = []
    for line, text in enumerate(lines, 1):
        rule = _rule(text, line)
        if rule is not None:
            if len(rules) == PATTERNS_MAX:
                raise PatternRefused(line, PatternFault.MANY)
            rules.append(rule)
    state = (step for rule in rules for step in _reached(rule, 0))
    return _folder(tuple(state), {})


def patterns_split(content: bytes) -> list[bytes]:
    """The lines of a file or field of patterns, without their ends."""
    return [line.removesuffix(b"\r") for line in content.split(b"\n")]


def is_pattern(line: bytes) -> bool:
    """Whether a line is neither blank nor a comment. It may be impossible all the same."""
    return bool(line.strip()) and not line.startswith(b"#")


def impossible_lines(lines: Sequence[bytes]) -> frozenset[int]:
    """The numbers, counted from 1, of the lines that `patterns_compile` refuses by themselves."""
    refused = set()
    for line, text in enumerate(lines, 1):
        try:
            _rule(text, line)
        except PatternRefused:
            refused.add(line)
    return frozenset(refused)


def _folder(state: _State, known: dict[_State, FolderPatterns]) -> FolderPatterns | None:
    """The patterns of a folder in this state. Most folders of a tree share few states."""
    if not state:
        return None
    found = known.get(state)
    if found is None:
        if len(known) == _FOLDERS_CACHED:
            known.clear()
        found = known[state] = FolderPatterns(state, known)
    return found


def _reached(rule: _Rule, at: int) -> Iterable[tuple[_Rule, int]]:
    """The positions of a rule at one of its names: any number of folders may be none."""
    yield rule, at
    if rule.names[at] is None:
        yield rule, at + 1


def _rule(text: bytes, line: int) -> _Rule | None:
    """The rule of a line, None for one that is blank or a comment. Raises `PatternRefused`."""
    if len(text) > PATTERN_BYTES_MAX:
        raise PatternRefused(line, PatternFault.LONG)
    if b"\n" in text or b"\0" in text:
        raise PatternRefused(line, PatternFault.LINES)
    if not is_pattern(text):
        return None
    text = _trimmed(text)
    includes = text.startswith(b"!")
    path = text.removeprefix(b"!")
    folders_only = path.endswith(b"/")
    names = path.rstrip(b"/").split(b"/")
    is_anchored = len(names) > 1
    if not names[0]:
        del names[0]
    if not names or not all(names):
        raise PatternRefused(line, PatternFault.EMPTY)
    wanted = [None if name == b"**" else _name(name, line) for name in names]
    if not is_anchored:
        wanted.insert(0, None)
    if wanted[-1] is None:
        # Everything below, at any depth.
        wanted.append(_name(b"*", line))
    kept = tuple(name for name, before in zip(wanted, [b"", *wanted], strict=False) if name or before is not None)
    return _Rule(line, includes, folders_only, kept)


def _trimmed(text: bytes) -> bytes:
    """The text without trailing blanks, except one that a backslash escapes."""
    trimmed = text.rstrip(b" ")
    backslashes = len(trimmed) - len(trimmed.rstrip(b"\\"))
    return trimmed + b" " if backslashes % 2 and len(trimmed) < len(text) else trimmed


def _name(text: bytes, line: int) -> _Name:
    """The pattern of one name. Raises `PatternRefused`."""
    text = _STARS.sub(b"*", text) if b"\\" not in text else text
    if not _SPECIAL.search(text):
        return _Name(literal=text)
    if text.startswith(b"*") and not _SPECIAL.search(text[1:]):
        return _Name(ends=text[1:])
    if text.endswith(b"*") and not _SPECIAL.search(text[:-1]):
        return _Name(begins=text[:-1])
    if text.count(b"*") > STARS_MAX:
        raise PatternRefused(line, PatternFault.STARS)
    return _Name(regex=_regex(text, line).match)


def _regex(text: bytes, line: int) -> re.Pattern[bytes]:
    """The library's regular expression for one name and the slash after it. Raises `PatternRefused`."""
    try:
        # As the pattern of a folder directly below the root: this is matched as one name, and never trimmed.
        regex, _ = GitIgnoreSpecPattern.pattern_to_regex(b"/" + text + b"/")
    except ValueError:
        raise PatternRefused(line, PatternFault.BACKSLASH) from None
    if regex is None or _SETS.search(text):
        raise PatternRefused(line, PatternFault.BRACKET)
    try:
        return re.compile(_without_backtracking(regex))
    except re.error:
        raise PatternRefused(line, PatternFault.BRACKET) from None


def _without_backtracking(regex: bytes) -> bytes:
    """The same regular expression of one name, for which the time is bounded by the lengths of name and pattern.

    The parts between two stars match names of one length only, so the first place of each is as good as any later
    one: an atomic group never tries another. Backtracking takes the length of the name to the power of the stars.
    """
    first, *between = regex.split(_STAR)
    if not between:
        return regex
    *inner, last = between
    return first + b"".join(b"(?>[^/]*?%b)" % part for part in inner) + _STAR + last
