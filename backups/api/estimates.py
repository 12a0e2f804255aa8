"""Estimates over the API: what a backup would hold, before it is made."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import caller_of
from accounts.scopes import Scope
from backups.api.serializers import EstimateQuery, EstimateSerializer
from backups.errors import SidecarUnavailableError
from backups.services.estimates import Estimate, backup_estimate
from common.api.schema import problems
from common.api.views import ApiView
from common.errors import ValidationError
from common.paths import path_text
from orders.errors import OrderNotFound, OrderSuspended, PlanHasNoBackups
from orders.patterns import pattern_text
from provisions.errors import NoSidecar, NotAPrimaryDeployment, PatternsForbidden, ProvisionNotFound


class EstimateView(ApiView):
    """The estimate of a backup of one server."""

    scopes = {"GET": frozenset({Scope.CREATE})}

    @extend_schema(
        operation_id="backups_estimate",
        parameters=[
            OpenApiParameter(
                "exclude", many=True, description="A pattern for this backup alone, as for a create; may be repeated."
            )
        ],
        responses={
            200: EstimateSerializer,
            **problems(
                ValidationError, OrderNotFound, ProvisionNotFound, OrderSuspended, PlanHasNoBackups,
                NotAPrimaryDeployment, NoSidecar, PatternsForbidden, SidecarUnavailableError,
            ),
        },
    )  # fmt: skip
    def get(self, request: Request, order: UUID, provision: UUID) -> Response:
        """Count what a backup would hold now, and what each pattern would leave out. Nothing is made."""
        query = EstimateQuery(data=request.query_params)
        if not query.is_valid():
            raise ValidationError(errors=query.errors)
        estimate = backup_estimate(
            user=caller_of(request),
            order_id=order,
            provision_id=provision,
            of_backup=query.validated_data.get("exclude", ()),
        )
        return Response(_shown(estimate))


def _shown(estimate: Estimate) -> dict[str, Any]:
    counted = estimate.counted
    patterns = [pattern_text(found.pattern) for found in counted.patterns]
    paths = [
        {
            "path": path_text(path.path),
            "is_folder": path.is_folder,
            "pattern": patterns[path.pattern],
            "entries": path.entries,
            "bytes": path.bytes,
        }
        for path in counted.paths
    ]
    return {
        "entries": counted.entries,
        "bytes": counted.bytes,
        "changed_bytes": counted.changed_bytes,
        "seconds": estimate.seconds,
        "excluded": [
            {"pattern": text, "entries": found.entries, "bytes": found.bytes, "impossible": found.impossible}
            for text, found in zip(patterns, counted.patterns, strict=True)
        ],
        "paths": paths if estimate.named else None,
        "more": counted.more,
    }
