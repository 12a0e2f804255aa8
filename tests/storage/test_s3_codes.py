"""The table of S3 error codes: each has its class on the wire, and its row in the docs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from repository.retrying import PAUSE_SECONDS_MAX, TRIES, Retry
from repository.storage import StorageError, StorageUnavailable
from targets.s3_errors import AGAIN, CODES, SOURCES, STATUSES, refusal_class
from tests.storage.conftest import AT_ONCE, double_settings, tried_again
from tests.storage.s3_double import S3Double
from tests.storage.scripted_s3 import Answer, ScriptedS3, refusal, scripted_s3

PAGE = Path(__file__).parents[2] / "docs" / "storage.md"


def refused(wire: ScriptedS3, retry: Retry = AT_ONCE) -> StorageError:
    """The error of a delete."""
    double = S3Double(frozenset())
    double.endpoint = wire.endpoint
    with tried_again(double_settings(double), retry) as storage, pytest.raises(StorageError) as caught:
        storage.delete("key")
    return caught.value


@pytest.mark.parametrize("code", CODES)
def test_each_code_has_its_class_for_any_status(code: str) -> None:
    answer, _ = CODES[code]
    with scripted_s3(*[refusal(400, code)] * TRIES) as wire:
        error = refused(wire)
        assert (type(error), code in str(error), answer.advice in str(error)) == (answer.error, True, True)
        # A bucket in another region is located, once, by a request of another kind.
        assert wire.methods().count("DELETE") == (TRIES if answer is AGAIN else 1)


@pytest.mark.parametrize("status", [status for status in STATUSES if status not in (301, 307, 404)])
def test_each_status_without_a_code_has_its_class(status: int) -> None:
    with scripted_s3(*[Answer(status=status)] * TRIES) as wire:
        assert type(refused(wire)) is STATUSES[status].error
        assert len(wire.asked) == (TRIES if STATUSES[status] is AGAIN else 1)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 522, 524, 530, 599])
def test_every_error_of_a_server_passes(status: int) -> None:
    assert refusal_class("", status) is refusal_class("Unheard", status) is AGAIN


@pytest.mark.parametrize("code", [code for code, (answer, _) in CODES.items() if answer is AGAIN])
def test_passing_code_is_over_after_one_more_try(code: str) -> None:
    double = S3Double(frozenset())
    with scripted_s3(refusal(400, code), Answer(status=204)) as wire:
        double.endpoint = wire.endpoint
        with tried_again(double_settings(double)) as storage:
            storage.delete("key")
        assert wire.methods() == ["DELETE", "DELETE"]


@pytest.mark.parametrize(("after", "expected"), [("5", 5.0), ("120", PAUSE_SECONDS_MAX)])
def test_service_that_says_when_is_asked_no_sooner(after: str, expected: float) -> None:
    waited: list[float] = []
    slow = Answer(status=503, headers={"Retry-After": after})
    with scripted_s3(*[slow] * TRIES) as wire:
        assert type(refused(wire, Retry(sleep=waited.append))) is StorageUnavailable
    assert sum(waited) == pytest.approx(expected * (TRIES - 1))


def test_docs_show_the_table_as_it_is() -> None:
    text = PAGE.read_text()
    shown = re.findall(r"^\| `(\w+)` \| ([a-z ]+) \| ([a-z0-9, ]+) \|$", text, flags=re.MULTILINE)
    assert {code: (name, by) for code, name, by in shown} == {
        code: (answer.name, ", ".join(by.split())) for code, (answer, by) in CODES.items()
    }
    assert dict(re.findall(r"^\| (\w+) \| <(https://\S+)> \|$", text, flags=re.MULTILINE)) == SOURCES
    named = {int(status): name for status, name in re.findall(r"(\d{3}) ([a-z ]+)[,.]", text.split("## Codes")[1])}
    assert named == {status: answer.name for status, answer in STATUSES.items()}


def test_every_source_is_named_and_used() -> None:
    assert {source for _, by in CODES.values() for source in by.split()} == SOURCES.keys()
