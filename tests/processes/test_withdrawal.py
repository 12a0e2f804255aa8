"""A client that loses the right to download receives no more bytes, even in a running download."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.processes.portal import Portal, portal, seed_run
from tests.processes.slow_clients import crowd_run, reader
from tests.processes.waiting import wait_until

ASSET_BYTES = 4 << 20
WITHDRAWN_SECONDS = 10
CASES = [
    ("token revoked", "owner", "sealed"),
    ("token revoked", "owner", "plain"),
    ("token expired", "owner", "sealed"),
    ("token narrowed", "owner", "sealed"),
    ("right withdrawn", "member", "sealed"),
    ("right withdrawn", "member", "plain"),
    ("session ended", "session", "sealed"),
    ("password changed", "session", "sealed"),
    ("account disabled", "owner", "sealed"),
    ("account disabled", "session", "plain"),
    ("order transferred", "owner", "sealed"),
    ("order transferred", "session", "plain"),
]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    with portal(tmp_path_factory.mktemp("withdrawal") / "home") as found:
        yield found


@pytest.fixture(scope="module")
def customers(running: Portal) -> dict[str, Any]:
    """A customer for each case, and one more whose download continues, for each kind of storage."""

    def made(*, sealed: bool) -> Any:
        options = {"customers": len(CASES) + 1, "bytes": ASSET_BYTES, "sealed": sealed}
        return seed_run(running.children["web"].environ, options, module="tests.processes.crowd")

    return {"sealed": made(sealed=True), "plain": made(sealed=False)}


@pytest.mark.parametrize(("what", "reads", "stored"), CASES)
def test_withdrawn_download_ends_within_ten_seconds(
    what: str, reads: str, stored: str, running: Portal, customers: Any
) -> None:
    bystander, customer = customers[stored][0], customers[stored].pop()
    places = [(customer["asset"], customer[reads]), (bystander["asset"], bystander["owner"])]
    with crowd_run(running.url, reader(places.__getitem__, every=0.1), count=2) as crowd:
        wait_until(lambda: crowd.taken[0] and crowd.taken[1], seconds=20, what="both downloads run")
        assert crowd.statuses == {200: 2}
        environ = running.children["web"].environ
        seed_run(environ, {"what": what, "asset": customer["asset"]}, module="tests.processes.withdrawal")
        wait_until(lambda: crowd.ended, seconds=WITHDRAWN_SECONDS, what="the end of the download")
        ended_at, other = crowd.taken[0], crowd.taken[1]
        wait_until(lambda: crowd.taken[1] > other, seconds=5, what="the other download goes on")
    assert 0 < ended_at < ASSET_BYTES
    assert crowd.ended == 1
