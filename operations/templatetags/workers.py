"""Whether anybody works in the background, as every page of the admin says it."""

from __future__ import annotations

from django import template

from operations import selectors

register = template.Library()


@register.simple_tag
def workers_problem() -> selectors.WorkersProblem | None:
    """The reason why nothing is done in the background; None while all goes well."""
    return selectors.workers_problem()
