"""Content of the small files of a generated world: players, logs, settings, database rows."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from random import Random
from uuid import UUID

NAMES = ("Alex", "Steve", "Herobrine", "Notch", "Dinnerbone", "grumm", "jeb_", "C418", "xisuma", "mumbo", "grian")
LINES = (
    "[Server thread/INFO]: {name} joined the game",
    "[Server thread/INFO]: {name} left the game",
    "[Server thread/INFO]: {name} lost connection: Disconnected",
    "[Async Chat Thread - #{a}/INFO]: <{name}> where is the base at {x} {y} {z}?",
    "[Server thread/INFO]: {name}[/10.0.{a}.{y}:{b}] logged in with entity id {c} at ([world]{x}.{a}, {y}.0, {z}.5)",
    "[Server thread/WARN]: Can't keep up! Is the server overloaded? Running {b}ms or {a} ticks behind",
    "[Server thread/INFO]: [CoreProtect] Rollback completed for {name}",
    "[User Authenticator #{a}/INFO]: UUID of player {name} is {c:08x}-{b:04x}-4000-8000-{c:012x}",
    "[Server thread/INFO]: {name} has made the advancement [Stone Age]",
    "[Worker-Main-{a}/INFO]: Saving chunks for level 'ServerLevel[world]'/minecraft:overworld",
)


def player_uuid(random: Random) -> str:
    """A random player's id."""
    return str(UUID(bytes=random.randbytes(16), version=4))


def player_data(random: Random, items: int) -> bytes:
    """A player's inventory: NBT-like, compressed as the server does."""
    slots = b"".join(
        b"\x08\x00\x02id\x00\x14minecraft:item_%04d\x01\x00\x05Count%c\x03\x00\x04Slot%c" % (item, item % 64, item % 36)
        for item in random.choices(range(900), k=items)
    )
    return gzip.compress(b"\x0a\x00\x00" + slots + random.randbytes(items * 6), 6, mtime=0)


def player_stats(random: Random, entries: int) -> bytes:
    """The statistics of a player, as JSON."""
    counted = {
        f"minecraft:{kind}": {
            f"minecraft:item_{random.randrange(900)}": random.randrange(1, 99_999) for _ in range(entries)
        }
        for kind in ("mined", "used", "custom")
    }
    return json.dumps({"stats": counted, "DataVersion": 3465}).encode()


def settings_text(random: Random) -> bytes:
    """A plugin's file about one player."""
    homes = (
        f"home_{number}:\n  world: world\n  x: {random.randint(-5000, 5000)}.5\n  z: {random.randint(-5000, 5000)}.5\n"
        for number in range(random.randint(3, 60))
    )
    return "".join(homes).encode()


def log_text(random: Random, size: int) -> bytes:
    """About `size` bytes of a server's log."""
    lines: list[str] = []
    written, second = 0, 0
    while written < size:
        a, b, c = random.getrandbits(5), random.getrandbits(16), random.getrandbits(24)
        second += a % 7
        said = LINES[a % len(LINES)].format(
            name=NAMES[c % len(NAMES)], a=a, b=b, c=c, x=b % 8000 - 4000, y=c % 250, z=c % 8000 - 4000
        )
        line = f"[{second // 3600 % 24:02d}:{second // 60 % 60:02d}:{second % 60:02d}] {said}\n"
        lines.append(line)
        written += len(line)
    return "".join(lines).encode()


def log_archive(random: Random, size: int) -> bytes:
    """`size` bytes of yesterday's log, compressed as the server does."""
    return gzip.compress(log_text(random, size), 6, mtime=0)


def block_rows(random: Random, rows: int, *, since: int) -> Iterator[tuple[int | str, ...]]:
    """Rows of block changes, as a protection plugin logs them: time, player, place, block."""
    for row in range(rows):
        bits = random.getrandbits(62)
        kind = bits % 700
        place = (bits >> 10) % 8000, (bits >> 24) % 320, (bits >> 34) % 8000
        yield 1_700_000_000 + since + row, bits % 400, *place, kind, f"minecraft:block_{kind}"
