"""Provisions of an order: the list, and one."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import caller_of
from accounts.scopes import Scope
from common.api.pagination import whole_list
from common.api.schema import page_of, problems
from common.api.views import ApiView, body_read
from common.errors import ValidationError
from orders.errors import OrderNotFound, OrderSuspended
from orders.selectors import order_get
from provisions.api.serializers import ProvisionSerializer, ProvisionUpdateFields
from provisions.errors import NotAPrimaryDeployment, PatternsForbidden, ProvisionNotFound
from provisions.selectors import provision_get, provisions_of
from provisions.services.provisions import provision_exclude

ProvisionPage = page_of(ProvisionSerializer, name="ProvisionPage")


class ProvisionListView(ApiView):
    """The provisions of an order."""

    scopes = {"GET": frozenset({Scope.VIEW})}

    @extend_schema(operation_id="provisions_list", responses={200: ProvisionPage, **problems(OrderNotFound)})
    def get(self, request: Request, order: UUID) -> Response:
        """List the provisions of an order, the main game server first."""
        found = provisions_of(order_get(user=caller_of(request), order_id=order))
        return whole_list(list(ProvisionSerializer(found, many=True).data))


class ProvisionView(ApiView):
    """One running part of an order."""

    scopes = {"GET": frozenset({Scope.VIEW}), "PATCH": frozenset({Scope.DELETE})}

    @extend_schema(
        operation_id="provisions_get",
        responses={200: ProvisionSerializer, **problems(OrderNotFound, ProvisionNotFound)},
    )
    def get(self, request: Request, order: UUID, provision: UUID) -> Response:
        """Show one running part of an order."""
        found = provision_get(user=caller_of(request), order_id=order, provision_id=provision)
        return Response(ProvisionSerializer(found).data)

    @extend_schema(
        operation_id="provisions_update",
        request=ProvisionUpdateFields,
        responses={
            200: ProvisionSerializer,
            **problems(
                ValidationError, OrderNotFound, ProvisionNotFound, OrderSuspended, NotAPrimaryDeployment,
                PatternsForbidden,
            ),
        },
    )  # fmt: skip
    def patch(self, request: Request, order: UUID, provision: UUID) -> Response:
        """Set the patterns of files that the backups of a game server leave out."""
        user = caller_of(request)
        fields = body_read(request, ProvisionUpdateFields)
        found = provision_get(user=user, order_id=order, provision_id=provision)
        changed = provision_exclude(user=user, provision=found, patterns=fields["exclude"])
        return Response(ProvisionSerializer(changed).data)
