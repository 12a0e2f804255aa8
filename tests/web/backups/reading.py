"""Pages as trees, parsed strictly: every element must be closed, and ids must be unique."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

VOID = frozenset({"img", "input", "link", "meta", "br", "hr"})
_TOKEN = re.compile(r'(name="csrfmiddlewaretoken" value=")\w+')


@dataclass
class Node:
    """An element: `children` are elements and texts."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Node | str] = field(default_factory=list)
    above: Node | None = None

    @property
    def text(self) -> str:
        """The text for a screen reader, on one line."""
        return words("".join(self._texts()))

    def __getitem__(self, name: str) -> str:
        return self.attributes[name]

    def __contains__(self, name: str) -> bool:
        return name in self.attributes

    def walk(self) -> Iterator[Node]:
        """This element and all elements below it."""
        yield self
        for child in self.children:
            if isinstance(child, Node):
                yield from child.walk()

    def all(self, tag: str = "", **attributes: str) -> list[Node]:
        """Elements of that tag with these attributes; `class_` matches one of its classes."""
        return [node for node in self.walk() if tag in ("", node.tag) and _fits(node, attributes)]

    def one(self, tag: str = "", **attributes: str) -> Node:
        """The only such element."""
        found = self.all(tag, **attributes)
        assert len(found) == 1, f"{len(found)} elements {tag} {attributes}"
        return found[0]

    def has(self, tag: str = "", **attributes: str) -> bool:
        return bool(self.all(tag, **attributes))

    def described(self, node: Node) -> str:
        """The text of the elements that describe a control."""
        return " ".join(self.one(id=name).text for name in node["aria-describedby"].split())

    def within(self) -> list[Node]:
        """The enclosing elements, the nearest first."""
        return [self.above, *self.above.within()] if self.above else []

    def _texts(self) -> Iterator[str]:
        for child in self.children:
            if isinstance(child, str):
                yield child
            else:
                yield from child._texts()


def read(answer: Any) -> Node:
    """Parse a response or HTML."""
    html = answer if isinstance(answer, str) else answer.content.decode()
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert reader.here is reader.root, f"<{reader.here.tag}> is never closed"
    ids = [node["id"] for node in reader.root.walk() if "id" in node]
    assert len(ids) == len(set(ids)), f"the same id twice: {sorted(ids)}"
    return reader.root


def words(text: str) -> str:
    """A text with single spaces."""
    return " ".join(text.split())


def without_token(answer: Any) -> str:
    """The HTML of a response without its CSRF tokens, which differ each time."""
    return _TOKEN.sub(r"\1", answer.content.decode())


def hx(*, target: str = "", current: str = "", **more: str) -> dict[str, str]:
    """The headers of a request by htmx, in the form of test clients."""
    headers = {"HX-Request": "true", "HX-Target": target, "HX-Current-URL": current and f"http://testserver{current}"}
    return {name: value for name, value in {**headers, **more}.items() if value}


def _fits(node: Node, attributes: dict[str, str]) -> bool:
    for name, wanted in attributes.items():
        if name == "class_":
            if wanted not in node.attributes.get("class", "").split():
                return False
        elif node.attributes.get(name.replace("_", "-")) != wanted:
            return False
    return True


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = self.here = Node("")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, {name: value or "" for name, value in attrs}, above=self.here)
        assert len(node.attributes) == len(attrs), f"an attribute twice: {attrs}"
        self.here.children.append(node)
        if tag not in VOID:
            self.here = node

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag == self.here.tag, f"</{tag}> closes <{self.here.tag}>"
        assert self.here.above is not None
        self.here = self.here.above

    def handle_data(self, data: str) -> None:
        self.here.children.append(data)
