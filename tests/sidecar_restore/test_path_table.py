"""A table of paths in a few bytes each."""

from __future__ import annotations

from sidecar.restore.comparing.path_table import PathTable


def test_every_path_keeps_its_number_while_the_table_grows() -> None:
    table = PathTable()
    numbers = {b"world/region/r.%d.mca" % number: number % 7 + 1 for number in range(20_000)}

    for path, number in numbers.items():
        assert table.get(path) == 0
        table.set(path, number)
    assert {path: table.get(path) for path in numbers} == numbers

    for path, number in numbers.items():
        table.set(path, 8 - number)
    assert all(table.get(path) == 8 - number for path, number in numbers.items())
    assert table.get(b"") == table.get(b"world") == 0


def test_two_tables_place_a_path_differently() -> None:
    """Otherwise an attacker could choose names that collide."""
    hashes = {PathTable()._hash(b"level.dat") for _ in range(5)}

    assert len(hashes) == 5
