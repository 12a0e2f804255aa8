"""Extreme links: long chains, circles, and more folders than can be open at once."""

# ruff: noqa: F811 - a fixture is found by its name

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.sidecar_restore.linked import Linked, linked, told  # noqa: F401  # a fixture among them
from tests.sidecar_restore.trees import live, snapshot, write
from wire.enums import WarningKind

CHAIN = 1500
"""More links than Python's recursion limit; the kernel gives up after 40."""


def chain_to(linked: Linked, end: Path) -> None:
    for number in range(CHAIN):
        (linked.root / f"link{number:04}").symlink_to(f"link{number + 1:04}")
    (linked.root / f"link{CHAIN}").symlink_to(end)


def chain_inside(linked: Linked) -> None:
    chain_to(linked, Path("level.dat"))


def chain_out(linked: Linked) -> None:
    chain_to(linked, linked.forbidden)


def chain_to_a_world(linked: Linked) -> None:
    chain_to(linked, linked.worlds / "a")


def circle(linked: Linked) -> None:
    chain_to(linked, Path("link0000"))


def folders_in_a_circle(linked: Linked) -> None:
    for number in range(CHAIN):
        (linked.root / f"link{number:04}").symlink_to(f"link{number + 1:04}/link{number + 1:04}")


@pytest.mark.parametrize("make", [chain_inside, chain_out, chain_to_a_world, circle, folders_in_a_circle])
def test_chain_of_links_is_backed_up_and_comes_back(linked: Linked, make: Callable[[Linked], None]) -> None:
    make(linked)
    linked.backup()
    packed = linked.packed()
    assert [packed[f"link{number:04}"] for number in range(CHAIN - 40)] == ["link"] * (CHAIN - 40)
    before = live(linked.root), snapshot(linked.worlds), snapshot(linked.forbidden)
    (linked.root / "link0000").unlink()
    assert (linked.preview().added, linked.preview().removed) == (1, 0)

    linked.restore()

    assert (live(linked.root), snapshot(linked.worlds), snapshot(linked.forbidden)) == before


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    """Limit open files to the number that most services have."""
    had = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, had[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, had)


@pytest.mark.parametrize("count", [30, 300, 1500])
def test_more_links_than_folders_can_be_open_stay_links(linked: Linked, few_descriptors: None, count: int) -> None:
    """The first ones, in the order of their names, are followed."""
    for number in range(count):
        write(linked.worlds / f"{number:04}" / "sub" / "map", b"as it was")
        (linked.root / f"link{number:04}").symlink_to(linked.worlds / f"{number:04}")
    result = linked.backup()
    packed = linked.packed()
    followed = [number for number in range(count) if packed[f"link{number:04}"] == "folder"]
    assert followed == list(range(min(count, 38)))
    assert result.warnings_total == count - len(followed)
    assert set(told(result).values()) <= {WarningKind.LINKED_OUT}
    for number in range(count):
        write(linked.worlds / f"{number:04}" / "sub" / "map", b"played on")
        write(linked.worlds / f"{number:04}" / "new" / "file", b"played on")
    assert linked.preview().stays == 0

    assert linked.restore().staying.total == 0

    for number in range(count):
        state = b"as it was" if number in followed else b"played on"
        assert (linked.worlds / f"{number:04}" / "sub" / "map").read_bytes() == state
        assert (linked.worlds / f"{number:04}" / "new").exists() is (number not in followed)
