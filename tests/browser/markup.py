"""Content that the policy forbids, found in a page's HTML without loading it."""

from __future__ import annotations

from html.parser import HTMLParser

ADDRESSES = ("href", "src", "action", "formaction", "data", "poster")


class Inline(HTMLParser):
    """Collects inline scripts, styles and handlers, and addresses on other hosts."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self._in_script = tag == "script"
        if tag in ("style", "base", "object", "embed", "iframe") or (tag == "script" and not values.get("src")):
            self.found.append(f"<{tag}>")
        for name, value in values.items():
            if name == "style" or name.startswith(("on", "hx-on")):
                self.found.append(f"<{tag} {name}={value!r}>")
            # A QR code is an inline picture, which the policy allows for pictures alone.
            is_picture = tag == "img" and value.startswith("data:image/")
            if name in ADDRESSES and not is_picture and not _is_local(value):
                self.found.append(f"<{tag} {name}={value!r}>")

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_script and data.strip():
            self.found.append(f"script: {data.strip()[:80]}")


def _is_local(address: str) -> bool:
    scheme = address.partition(":")[0].lower()
    return not address.startswith("//") and scheme not in ("http", "https", "javascript", "vbscript", "data", "blob")


def inline_found(html: str) -> list[str]:
    """All inline or foreign content of a page, as written there."""
    parser = Inline()
    parser.feed(html)
    parser.close()
    return parser.found
