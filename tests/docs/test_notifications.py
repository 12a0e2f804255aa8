"""The page on notifications says what the code does."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from notices.kinds import FOR_STAFF, QUIET, URGENT, EventKind
from notices.sending.dispatch import EVENTS_KEPT, RUN_SECONDS
from notices.sending.lanes import DELAYS, FAILING, HEALTHY, LANES
from notices.sending.requests import ANSWER_BYTES_MAX, TIMEOUT_SECONDS
from notices.services.endpoints import ENDPOINTS_MAX
from notices.services.events import StoredError, event_record
from notices.services.routing import COLLECT, PAUSE
from tests.docs.pages import ROOT, examples
from tests.factories import EndpointFactory, OrderFactory, UserFactory
from tests.notices.dispatching import notices_dispatch
from tests.notices.receiver import receiver

PAGE = (ROOT / "docs/notifications.md").read_text()
WORDS = " ".join(PAGE.split())


def example(language: str) -> str:
    (found,) = [one for one in examples() if (one.page, one.language) == ("docs/notifications.md", language)]
    return found.text


def test_table_of_events_is_that_of_the_code() -> None:
    rows = re.findall(r"^\| `([a-z.]+)` \| .+ \| (\w+) \| (\w+) \| (\w+) \|$", PAGE, re.MULTILINE)
    assert {name: (inbox, mail, staff) for name, inbox, mail, staff in rows} == {
        str(kind): tuple("yes" if there else "no" for there in (kind not in QUIET, kind in URGENT, kind in FOR_STAFF))
        for kind in EventKind
    }
    assert len(rows) == len(EventKind)


def test_numbers_of_the_page_are_those_of_the_code() -> None:
    assert list(DELAYS) == [30, 2 * 60, 10 * 60, *(hours * 3600 for hours in (1, 3, 6, 13))]
    assert "after 30 seconds, 2 and 10 minutes, 1, 3, 6 and 13 hours" in WORDS
    assert f"{COLLECT.seconds} seconds after its first event" in WORDS
    assert f"the next one follows {PAUSE.seconds // 60} minutes later" in WORDS
    assert f"no answer in {TIMEOUT_SECONDS:.0f} seconds is a failure" in WORDS
    assert f"the first {ANSWER_BYTES_MAX // 1024} KiB of the answer" in WORDS
    assert f"up to {ENDPOINTS_MAX} addresses outside" in WORDS
    assert f"at most {RUN_SECONDS:.0f} seconds a turn" in WORDS
    assert f"kept for {EVENTS_KEPT.days} days" in WORDS
    assert (LANES[FAILING], LANES[FAILING] + LANES[HEALTHY]) == (2, 8)


@pytest.mark.django_db
def test_example_verifies_a_real_message_and_refuses_a_changed_one(settings: Any) -> None:
    order = OrderFactory()
    with receiver() as there:
        settings.SAVEPOINT_WEBHOOK_ORIGINS = frozenset({there.origin})
        secret = EndpointFactory(order=order, url=there.url()).secret
        event_record(
            kind=EventKind.BACKUP_FAILED, order=order, subject_id=order.id, provision_id=UserFactory().id,
            params={"name": "Nightly", "server": "World"}, error=StoredError("storage_unavailable", {}),
        )  # fmt: skip
        notices_dispatch()
    (arrived,) = there.arrived
    named: dict[str, Any] = {}
    exec(example("python"), named)  # noqa: S102  # the example of the page
    named["verify"](secret, arrived.headers, arrived.body)
    other = "whsec_" + secret.removeprefix("whsec_")[::-1].strip("=")
    for wrong in (
        (secret, arrived.headers, arrived.body + b" "),
        (other + "=" * (-len(other[6:]) % 4), arrived.headers, arrived.body),
        (secret, {**arrived.headers, "webhook-timestamp": "1"}, arrived.body),
    ):
        with pytest.raises(ValueError, match=r"too old|not signed"):
            named["verify"](*wrong)
    shown, sent = json.loads(example("json")), json.loads(arrived.body)
    assert shapes(shown) == shapes(sent)


def shapes(value: Any) -> Any:
    return {name: shapes(inner) for name, inner in value.items()} if isinstance(value, dict) else type(value).__name__
