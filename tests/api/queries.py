"""The number of a request's queries, without those of the throttle."""

from __future__ import annotations

import re
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

COUNTING = re.compile("savepoint_cache|SAVEPOINT")


def queries_of(client: Any, path: str) -> int:
    """The number of queries of a GET that is answered with 200."""
    with CaptureQueriesContext(connection) as captured:
        response = client.get(path)
    assert response.status_code == 200, response.content
    return sum(not COUNTING.search(query["sql"]) for query in captured.captured_queries)
