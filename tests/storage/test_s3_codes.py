"""The table of S3 error codes: each has its class on the wire, and its row in the docs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from repository.retrying import PAUSE_SECONDS, PAUSE_SECONDS_MAX, TRIES, Retry
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


DATE = "Mon, 30 Nov 2026 23:59:58 GMT"


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("5", 5.0),
        (" 5 ", 5.0),
        ("120", PAUSE_SECONDS_MAX),
        ("9" * 400, PAUSE_SECONDS_MAX),
        ("Tue, 01 Dec 2026 00:00:03 GMT", 5.0),
        ("Tuesday, 01-Dec-26 00:00:03 GMT", 5.0),
        ("Tue Dec  1 00:00:03 2026", 5.0),
        ("Wed, 02 Dec 2026 00:00:00 GMT", PAUSE_SECONDS_MAX),
        ("Fri, 31 Dec 9999 23:59:59 GMT", PAUSE_SECONDS_MAX),
    ],
)
def test_service_that_says_when_is_asked_no_sooner(after: str, expected: float) -> None:
    """A date counts by the service's own clock."""
    waited: list[float] = []
    slow = Answer(status=503, headers={"Retry-After": after, "Date": DATE})
    with scripted_s3(*[slow] * TRIES) as wire:
        assert type(refused(wire, Retry(sleep=waited.append))) is StorageUnavailable
    assert sum(waited) == pytest.approx(expected * (TRIES - 1))


@pytest.mark.parametrize(
    "after",
    [
        "",
        "0",
        "-5",
        "soon",
        "\u00b2",
        "5.5",
        "1e9",
        DATE,
        "Mon, 01 Jan 0001 00:00:00 GMT",
        "Tue, 99 Dec 2026 00:00:00 GMT",
        "32 Dec",
        "Tue, 01 Dec 99999 00:00:00 GMT",
        "Tue, 01 Dec 2026 99:00:03 GMT",
        ",",
    ],
)
def test_service_that_says_nothing_of_sense_is_asked_after_the_usual_pause(after: str) -> None:
    waited: list[float] = []
    slow = Answer(status=503, headers={"Retry-After": after, "Date": DATE})
    with scripted_s3(*[slow] * TRIES) as wire:
        assert type(refused(wire, Retry(sleep=waited.append, jitter=lambda: 0.5))) is StorageUnavailable
    assert sum(waited) == pytest.approx(sum(PAUSE_SECONDS * 2**failures for failures in range(TRIES - 1)))


def test_date_without_a_clock_beside_it_changes_no_pause() -> None:
    waited: list[float] = []
    with scripted_s3(*[Answer(status=503, headers={"Retry-After": DATE, "Date": "x"})] * TRIES) as wire:
        refused(wire, Retry(sleep=waited.append))
    assert sum(waited) < PAUSE_SECONDS_MAX * (TRIES - 1)


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
