"""Servers and a portal that tests share, and the end of their logs beside a failure."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.processes.portal import Portal, portal, running
from tests.services.postgres import PostgresServer, postgres
from tests.services.seaweedfs import S3Server, seaweedfs


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.failed:
        report.sections.extend((f"processes of {found.home}", found.logs()) for found in running)
    return report


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with seaweedfs(tmp_path_factory.mktemp("seaweedfs") / "s3") as server:
        yield server


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture(scope="module")
def local_portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """A portal with SQLite, the ORM queue and a sealed local folder, like that of `make demo`."""
    with portal(tmp_path_factory.mktemp("portal") / "home") as found:
        yield found
