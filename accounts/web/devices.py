"""Devices in words: "Firefox on Windows"."""

from __future__ import annotations

from django.utils.translation import gettext as _

from common.names import name_isolated

RAW_LENGTH_MAX = 60

# Order matters: nearly all call themselves Mozilla, Safari or Chrome as well, and Android calls itself Linux.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
)
_HANDHELD = frozenset({"iPhone", "iPad", "Android"})


def device_name(user_agent: str) -> str:
    """A device's browser and system in common words; an unknown user agent is shown as it was sent, shortened."""
    browser, system = _first(_BROWSERS, user_agent), _first(_SYSTEMS, user_agent)
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    if browser or system:
        return browser or system
    return name_isolated(user_agent[:RAW_LENGTH_MAX]) or _("Unknown device")


def device_icon(user_agent: str) -> str:
    """The icon of a device: `phone` for a handheld one, else `computer`."""
    return "phone" if _first(_SYSTEMS, user_agent) in _HANDHELD else "computer"


def _first(known: tuple[tuple[str, str], ...], user_agent: str) -> str:
    return next((name for mark, name in known if mark in user_agent), "")
