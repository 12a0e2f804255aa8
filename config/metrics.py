"""`/metrics`, for requests with the token or from a listed network. All others get a 404."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from backups import metrics as backups_metrics
from operations import metrics as operations_metrics
from schedules import metrics as schedules_metrics

METHODS = ["GET", "HEAD"]
FORWARDED = ("X-Forwarded-For", "X-Real-Ip")
"""Headers in which proxies name their client."""


class PortalCollector(Collector):
    """The metrics of the product, counted at each scrape, so that every process gives the same answer."""

    def collect(self) -> Iterable[Metric]:
        """The families of one scrape. Raises DatabaseError."""
        yield from operations_metrics.metric_families()
        yield from backups_metrics.metric_families()
        yield from schedules_metrics.metric_families()


# Nothing is changed here, and a refusal for lack of a CSRF token would reveal the page.
@csrf_exempt
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Every series in the text format of Prometheus; 503 without a database."""
    if not (_token_is_right(request) or _network_is_right(request)):
        raise Http404
    if request.method not in METHODS:
        return HttpResponseNotAllowed(METHODS)
    registry = CollectorRegistry()
    registry.register(PortalCollector())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _token_is_right(request: HttpRequest) -> bool:
    expected: str | None = settings.SAVEPOINT_METRICS_TOKEN
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    return expected is not None and scheme.lower() == "bearer" and constant_time_compare(given.strip(), expected)


def _network_is_right(request: HttpRequest) -> bool:
    """Whether every address that the request names is inside: no header brings a client closer.

    The connection alone would admit the whole world through a proxy on this machine, and a header alone any client that
    writes one.
    """
    if "Forwarded" in request.headers:
        return False
    told = ",".join(request.headers[name] for name in FORWARDED if name in request.headers)
    hops = [request.META.get("REMOTE_ADDR", ""), *(told.split(",") if told else [])]
    return all(_inside(hop.strip()) for hop in hops)


def _inside(text: str) -> bool:
    try:
        address: IPv4Address | IPv6Address = ip_address(text)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in settings.SAVEPOINT_METRICS_NETWORKS)
