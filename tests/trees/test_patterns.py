"""Patterns: each is compared with what the real git says of the same tree."""

# Names are bytes here, which pathlib does not take:
# ruff: noqa: PTH118, PTH102

from __future__ import annotations

import os
import random
import re
import subprocess
import time
from pathlib import Path

import pytest
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from trees.patterns import (
    LAYER_MAX,
    PATTERN_BYTES_MAX,
    PATTERNS_MAX,
    STARS_MAX,
    FolderPatterns,
    PatternFault,
    PatternRefused,
    impossible_lines,
    patterns_compile,
    patterns_split,
)
from trees.walk import Bounds, Exclusion, tree_walk

NAMES = ["a", "b", "ab", "a.log", "b.log", "logs", "x y", "é", "keep", "c[d", "a#", "!b", "foo ", "a\nb", "a.log\n"]
NAMES_BYTES = [name.encode() for name in NAMES] + [b"caf\xe9"]
SEGMENTS = ["a", "b", "*.log", "logs", "?", "a*", "*b", "*", "**", "[ab]", "[!a]", "x\\ y", "k??p", "\\!b", "foo\\ "]
SEGMENTS += ["c\\[d", "*a*", "**b", "é", "[a-c]*", "caf?"]


def world_of(chance: random.Random, root: bytes, depth: int = 0) -> None:
    for name in chance.sample(NAMES_BYTES, 6):
        path = os.path.join(root, name)
        if depth < 3 and chance.random() < 0.5:
            os.mkdir(path)
            world_of(chance, path, depth + 1)
        else:
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY))


def pattern_of(chance: random.Random) -> bytes:
    pattern = "/".join(chance.choice(SEGMENTS) for _ in range(chance.randint(1, 3)))
    start = chance.choice(["", "", "/"])
    end = chance.choice(["", "", "/"])
    negated = chance.choice(["", "", "!"])
    return f"{negated}{start}{pattern}{end}".encode()


def ours(root: bytes, rules: FolderPatterns | None) -> set[bytes]:
    """The paths that the walk leaves out."""
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        walk = tree_walk(
            descriptor,
            found=lambda *_: None,
            left_out=lambda path, error: pytest.fail(f"{path!r}: {error}"),
            bounds=Bounds(100, 10_000),
            exclusion=Exclusion(rules, lambda path, *_: path),
        )
        return {path for path in walk if path is not None and not path.startswith(b".git")}
    finally:
        os.close(descriptor)


def of_git(root: Path, lines: list[bytes], paths: list[bytes]) -> set[bytes]:
    (root / ".git/info/exclude").write_bytes(b"\n".join(lines) + b"\n")
    done = subprocess.run(
        ["git", "-C", root, "check-ignore", "-z", "--stdin", "--no-index"],
        input=b"".join(path + b"\0" for path in paths),
        capture_output=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return set(done.stdout.split(b"\0")) - {b""}


def paths_of(root: Path) -> list[bytes]:
    found = []
    for folder, folders, files in os.walk(os.fsencode(root)):
        folders[:] = [name for name in folders if name != b".git"]
        found += [os.path.relpath(os.path.join(folder, name), os.fsencode(root)) for name in (*folders, *files)]
    return found


@pytest.mark.parametrize("seed", range(4))
def test_the_walk_leaves_out_what_git_ignores(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same in every run
    world_of(chance, os.fsencode(tmp_path))
    paths = paths_of(tmp_path)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    left_out = 0
    for _ in range(25):
        lines = [pattern_of(chance) for _ in range(chance.randint(1, 6))]
        tops = ours(os.fsencode(tmp_path), patterns_compile(lines))
        mine = {path for path in paths if any(path == top or path.startswith(top + b"/") for top in tops)}
        assert mine == of_git(tmp_path, lines, paths), lines
        left_out += len(mine)
    assert left_out


@pytest.mark.parametrize(
    ("pattern", "fault"),
    [
        (b"/", PatternFault.EMPTY),
        (b"!", PatternFault.EMPTY),
        (b"a//b", PatternFault.EMPTY),
        (b"[a", PatternFault.BRACKET),
        (b"[z-a]", PatternFault.BRACKET),
        (b"[[:alpha:]]", PatternFault.BRACKET),
        (b"[a&&b]", PatternFault.BRACKET),
        (b"a\\", PatternFault.BACKSLASH),
        (b"a\\/b", PatternFault.BACKSLASH),
        (b"*a*b*c*d", PatternFault.STARS),
        (b"a" * (PATTERN_BYTES_MAX + 1), PatternFault.LONG),
        (b"a\nb", PatternFault.LINES),
        (b"a\0b", PatternFault.LINES),
    ],
)
def test_an_impossible_pattern_is_refused_with_its_line(pattern: bytes, fault: PatternFault) -> None:
    with pytest.raises(PatternRefused) as refused:
        patterns_compile([b"# a comment", b"*.log", b"", pattern])
    assert (refused.value.line, refused.value.fault) == (4, fault)
    assert impossible_lines([b"good", pattern, b"!good"]) == {2}


def test_more_patterns_than_there_can_be_are_refused() -> None:
    assert patterns_compile([b"a"] * PATTERNS_MAX) is not None
    with pytest.raises(PatternRefused) as refused:
        patterns_compile([b"a"] * (PATTERNS_MAX + 1))
    assert (refused.value.line, refused.value.fault) == (PATTERNS_MAX + 1, PatternFault.MANY)
    assert LAYER_MAX < PATTERNS_MAX


def test_lines_without_a_pattern_leave_nothing_out() -> None:
    assert patterns_compile([]) is None
    assert patterns_compile([b"", b"   ", b"# *"]) is None
    assert patterns_split(b"a\r\n b\n\nc") == [b"a", b" b", b"", b"c"]


def unit(folder: Path, *names: str) -> int:
    for name in names:
        (folder / name).touch()
    return os.open(folder, os.O_RDONLY)


@pytest.mark.parametrize(
    ("pattern", "name", "others"),
    [
        (b"*.log", "000012.log", ["CURRENT"]),
        (b"LOCK", "LOCK", ["CURRENT"]),
        (b"*-wal", "players.db-wal", ["players.db"]),
        (b"*.lock", "session.lock", ["level.dat"]),
    ],
)
def test_a_file_that_belongs_to_another_is_left_out_only_with_it(
    pattern: bytes, name: str, others: list[str], tmp_path: Path
) -> None:
    rules = patterns_compile([pattern])
    assert rules is not None
    at = unit(tmp_path, name)
    try:
        assert rules.excluding(name.encode(), is_folder=False, at=at) == 1
        os.close(unit(tmp_path, *others))
        assert rules.excluding(name.encode(), is_folder=False, at=at) is None
        both = patterns_compile([pattern, *(other.encode() for other in others)])
        assert both is not None
        assert both.excluding(name.encode(), is_folder=False, at=at) == 1
    finally:
        os.close(at)


def test_a_wide_tree_of_many_states_needs_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trees.patterns._FOLDERS_CACHED", 4)
    top = patterns_compile([b"a/%d/x" % number for number in range(40)])
    assert top is not None
    inner = top.below(b"a")
    assert inner is not None
    for number in range(40):
        folder = inner.below(b"%d" % number)
        assert folder is not None
        assert folder.excluding(b"x", is_folder=True, at=0) == number + 1
        assert len(folder._known) <= 4


STARRED = [b"*", b"*", b"a", b"b", b"?", b"[ab]", b"[!a]", b"\\*", b"[^b]", b"\\[", b"c"]


def test_stars_match_what_the_librarys_own_expression_matches() -> None:
    chance = random.Random(1)  # noqa: S311 - the same in every run
    matched = 0
    for _ in range(3000):
        text = b"".join(chance.choice(STARRED) for _ in range(chance.randint(2, 8)))
        if not 1 < text.count(b"*") <= STARS_MAX or b"**" in text:
            continue
        rules, (own, _) = patterns_compile([text]), GitIgnoreSpecPattern.pattern_to_regex(b"/" + text + b"/")
        assert rules is not None
        assert own is not None
        for _ in range(10):
            name = bytes(chance.choice(b"ab*c[\n") for _ in range(chance.randint(1, 9)))
            wanted = re.match(own, name + b"/") is not None
            assert (rules.excluding(name, is_folder=True, at=-1) == 1) == wanted, (text, name)
            matched += wanted
    assert matched > 100


@pytest.mark.parametrize(
    "shape",
    [
        b"*[a]*[a]*[a]%db",
        b"*a*?a*?a%dz",
        b"*[a]*[a]*%db",
        b"*?*?*a%db",
        b"*" + b"[a]" * 60 + b"[a]*" + b"[a]" * 60 + b"%db",
        b"*" + b"?" * 120 + b"*[a]" + b"a" * 100 + b"*%db",
        b"!*[a]*[a]*[a]%db",
    ],
)
@pytest.mark.parametrize("byte", [b"a", b"b"])
def test_patterns_and_names_of_a_customer_take_bounded_time(shape: bytes, byte: bytes) -> None:
    rules = patterns_compile([shape % number for number in range(LAYER_MAX)])
    assert rules is not None
    began = time.process_time()
    for number in range(20):
        rules.excluding(byte * 250 + b"%d" % number, is_folder=True, at=-1)
        rules.below(byte * 250 + b"%d" % number)
    # Some milliseconds; with backtracking minutes.
    assert time.process_time() - began < 3
