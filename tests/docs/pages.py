"""The documentation, parsed: fenced examples, spans of code, links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "repository/FORMAT.md")),
        *(ROOT / "docs").rglob("*.md"),
    ]
)
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Example:
    """A fenced block: its page, its language, its text."""

    page: str
    language: str
    text: str

    def lines(self) -> list[str]:
        """The lines of a shell example, with continuation lines joined."""
        return [line for line in self.text.replace("\\\n", " ").splitlines() if line.strip()]


def page_name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def examples() -> list[Example]:
    return [
        Example(page_name(page), language, text)
        for page in PAGES
        for language, text in _FENCE.findall(page.read_text())
    ]


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", page.read_text())


def spans() -> list[tuple[str, str]]:
    """Every span of code in the prose, with its page."""
    return [(page_name(page), span) for page in PAGES for span in re.findall(r"`([^`\n]+)`", prose(page))]


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub creates for a page's headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
