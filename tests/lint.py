"""House rules that no linter checks: `python -m tests.lint`."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINES_MAX = 400
GENERATED = ("migrations", "proto")
IMPORT_ANYTHING = ("tests", "benchmarks", "manage.py")
LOCK_FORBIDDEN = ("http:", "https:", "file:")


def files_tracked(*suffixes: str) -> list[Path]:
    """The files with one of these suffixes that git tracks, or would track."""
    listing = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return [ROOT / name for name in listing.stdout.splitlines() if name.endswith(suffixes) and (ROOT / name).is_file()]


def files_too_long() -> list[str]:
    """Files above the limit of lines."""
    found = []
    for path in files_tracked(".py"):
        if any(part in GENERATED for part in path.parts):
            continue
        lines = path.read_text().count("\n")
        if lines > LINES_MAX:
            found.append(f"{path.relative_to(ROOT)}: {lines} lines, the most is {LINES_MAX}: split it")
    return found


def locks_with_addresses() -> list[str]:
    """Lock files with addresses: a lock names versions and hashes, not the mirror of one machine."""
    return [
        f"{path.name}: holds an address"
        for path in files_tracked(".lock")
        if any(word in path.read_text() for word in LOCK_FORBIDDEN)
    ]


def imports_not_allowed() -> list[str]:
    """Imports that the table in pyproject.toml does not allow: a package imports only packages below it there."""
    table: dict[str, list[str]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["savepoint"]["imports"]
    order = list(table)
    found = [
        f"pyproject.toml: {package} may import {allowed}, which stands above it"
        for package in order
        for allowed in table[package]
        if (top := allowed.partition(".")[0]) in table and order.index(top) <= order.index(package)
    ]
    paths = {path.relative_to(ROOT): path for path in files_tracked(".py")}
    packages = {name.parts[0] for name in paths} - set(IMPORT_ANYTHING)
    found += [f"pyproject.toml: nothing says what {package} may import" for package in sorted(packages - table.keys())]
    for name, path in paths.items():
        package = name.parts[0]
        allowed = tuple(f"{module}." for module in (package, *sys.stdlib_module_names, *table.get(package, ())))
        found += [
            f"{name}: {package} may not import {module}"
            for module in modules_imported(path)
            if package in table and not f"{module}.".startswith(allowed)
        ]
    return found


def conftests_borrowed() -> list[str]:
    """No test imports another folder's conftest: `tests/world/` has the code that several folders share."""
    found = []
    for path in files_tracked(".py"):
        own = ".".join((*path.relative_to(ROOT).parent.parts, "conftest."))
        borrowed = (module for module in modules_imported(path) if ".conftest." in f"{module}.")
        found += [
            f"{path.relative_to(ROOT)}: imports {module}, another folder's"
            for module in borrowed
            if not f"{module}.".startswith(own)
        ]
    return found


def modules_imported(path: Path) -> Iterator[str]:
    """The modules that a file imports, at any level."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def main() -> int:
    """Print every finding; the exit status is 1 if there was one."""
    findings = files_too_long() + locks_with_addresses() + imports_not_allowed() + conftests_borrowed()
    print(*findings, sep="\n", end="\n" if findings else "")  # noqa: T201  # this is a command
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
