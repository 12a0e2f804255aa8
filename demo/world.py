"""A game server's folder, generated: deterministic, of any size, with the difficulties of real ones.

Region files on a 4 KiB grid, players, logs, plugins, a SQLite database; an empty folder, a symbolic and a hard link, a
name outside ASCII, an executable, a file for its owner only, times with nanoseconds. Everything follows from the seed.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from random import Random

from demo.region import region_rewrite, region_write
from demo.world_files import (
    block_rows,
    log_archive,
    log_text,
    player_data,
    player_stats,
    player_uuid,
    settings_text,
)

MB = 1_000_000
REGION_SHARES = {
    "world/region": 0.47,
    "world/entities": 0.06,
    "world_nether/DIM-1/region": 0.07,
    "world_the_end/DIM1/region": 0.05,
}
"""Parts of the whole size that the dimensions take."""
JAR_SHARE, LOG_SHARE = 0.18, 0.04
PLAYERS_PER_MB, ROWS_PER_MB = 1.5, 580
LOG_ARCHIVE_BYTES = 2 * MB
DATABASE = "plugins/CoreProtect/database.db"
FIRST_TIME_NS = 1_760_000_000 * 10**9
SPAN_NS = 30 * 24 * 3600 * 10**9


def world_generate(root: Path, *, seed: int, megabytes: int) -> None:
    """Generate a world of about `megabytes` (10⁶ bytes) in `root`, which must not exist yet."""
    root.mkdir(parents=True)
    _regions(root, seed, megabytes)
    _players(root, _random(seed, "players"), max(2, int(megabytes * PLAYERS_PER_MB)))
    _plugins(root, _random(seed, "plugins"), int(megabytes * MB * JAR_SHARE))
    _logs(root, _random(seed, "logs"), int(megabytes * MB * LOG_SHARE))
    _put(root / "world/level.dat", player_data(_random(seed, "level"), 300))
    _database_append(root / DATABASE, _random(seed, "database"), int(megabytes * ROWS_PER_MB), since=0)
    _odd_ones(root)
    _modes_and_times(root, _random(seed, "times"))


def world_evolve(root: Path, *, seed: int, day: int) -> None:
    """Let a day pass: 12 % of the chunks in a quarter of the regions (3 % of all), logs, a few players, new rows."""
    time = 1_770_000_000 + day * 86_400
    random = _random(seed, "day", day)
    regions = sorted(root.rglob("*.mca"))
    for path in sorted(random.sample(regions, max(1, len(regions) // 4))):
        region_rewrite(path, random=random, share=0.12, time=time)
    megabytes = sum(path.stat().st_size for path in regions) / MB / sum(REGION_SHARES.values())
    with (root / "logs/latest.log").open("ab") as log:
        log.write(log_text(random, int(megabytes * 3000)))
    _put(root / f"logs/2026-03-{day:02d}-1.log.gz", log_archive(random, min(LOG_ARCHIVE_BYTES, int(megabytes * 3000))))
    players = sorted((root / "world/playerdata").iterdir())
    for path in random.sample(players, max(1, len(players) // 25)):
        _player(root, random, path.stem)
    _put(root / "world/level.dat", player_data(random, 300))
    _database_append(root / DATABASE, random, int(megabytes * 11), since=day * 100_000)


def _random(*key: int | str) -> Random:
    """The random generator for one part of a world, independent of the other parts."""
    return Random(" ".join(map(str, key)))  # noqa: S311  # content for a demo, no secret


def _regions(root: Path, seed: int, megabytes: int) -> None:
    for folder, share in REGION_SHARES.items():
        (root / folder).mkdir(parents=True)
        left, number = int(megabytes * MB * share), 0
        while left > 0:
            random = _random(seed, folder, number)
            path = root / folder / f"r.{number % 16 - 8}.{number // 16 - 4}.mca"
            left -= region_write(path, random=random, size=min(left, random.randrange(2_200_000, 8_200_000)))
            number += 1


def _players(root: Path, random: Random, count: int) -> None:
    for _ in range(count):
        _player(root, random, player_uuid(random))
    for _ in range(count // 4):
        _put(root / f"plugins/Essentials/userdata/{player_uuid(random)}.yml", settings_text(random))


def _player(root: Path, random: Random, uuid: str) -> None:
    level = int(random.lognormvariate(3.6, 0.8))
    _put(root / f"world/playerdata/{uuid}.dat", player_data(random, min(900, level * 4 + 20)))
    _put(root / f"world/stats/{uuid}.json", player_stats(random, min(200, level + 3)))
    _put(root / f"world/advancements/{uuid}.json", player_stats(random, min(150, level // 2 + 3)))


def _plugins(root: Path, random: Random, size: int) -> None:
    (root / "plugins").mkdir(exist_ok=True)
    number = 0
    while size > 0:
        jar = min(size, random.randrange(500_000, 30_000_000))
        _put(root / (f"plugins/plugin-{number}.jar" if number else "server.jar"), b"PK\x03\x04" + random.randbytes(jar))
        size, number = size - jar, number + 1


def _logs(root: Path, random: Random, size: int) -> None:
    _put(root / "logs/latest.log", log_text(random, size))
    for day in range(max(1, size // LOG_ARCHIVE_BYTES)):
        _put(root / f"logs/2026-02-{day + 1:02d}-1.log.gz", log_archive(random, min(LOG_ARCHIVE_BYTES, size)))


def _database_append(path: Path, random: Random, rows: int, *, since: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("create table if not exists co_block(time, user, x, y, z, type, data text)")
        connection.execute("create index if not exists co_block_place on co_block(x, z, time)")
        connection.executemany(
            "insert into co_block values(?, ?, ?, ?, ?, ?, ?)", block_rows(random, rows, since=since)
        )
    connection.close()


def _odd_ones(root: Path) -> None:
    """Entries that are hard to back up."""
    (root / "world/datapacks").mkdir()
    (root / "world/latest.log").symlink_to("../logs/latest.log")
    (root / "cache").mkdir()
    (root / "cache/server-1.21.jar").hardlink_to(root / "server.jar")
    _put(root / "plugins/Überwelt 世界 ☃.yml", b"welcome: true\n")
    _put(root / "plugins/empty.lock", b"")
    _put(root / "server.properties", b"motd=A Savepoint demo\nview-distance=10\nrcon.password=\n")
    _put(root / "start.sh", b"#!/bin/sh\nexec java -Xmx4G -jar server.jar nogui\n")
    (root / "start.sh").chmod(0o755)
    (root / "server.properties").chmod(0o600)
    (root / "world/playerdata").chmod(0o750)


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _modes_and_times(root: Path, random: Random) -> None:
    """Make modes of new files and times of all entries deterministic too, independent of umask and clock."""
    odd = {"start.sh", "server.properties", "playerdata"}
    for path in _deepest_first(root):
        if not path.is_symlink() and path.name not in odd:
            path.chmod(0o755 if path.is_dir() else 0o644)
        time = FIRST_TIME_NS + random.randrange(SPAN_NS)
        os.utime(path, ns=(time, time), follow_symlinks=False)


def _deepest_first(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink():
            yield from _deepest_first(path)
        yield path
