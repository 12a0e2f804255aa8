"""The webhooks of an order over the API."""

from __future__ import annotations

from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import caller_of
from accounts.scopes import Scope
from common.api.fields import NoFields
from common.api.idempotency import idempotency_key
from common.api.pagination import NewestFirst
from common.api.schema import CURSOR_PARAMETER, IDEMPOTENCY_PARAMETER, page_of, problems
from common.api.views import ApiView, body_read
from common.errors import IdempotencyKeyReused, ValidationError
from notices.api.serializers import (
    DeliverySerializer,
    NewWebhookSerializer,
    WebhookChanges,
    WebhookFields,
    WebhookSerializer,
)
from notices.errors import DeliveryNotFound, EndpointNotFound, EndpointsLimit
from notices.models import Endpoint, EndpointKind
from notices.selectors import deliveries_of, delivery_get, endpoint_get, webhooks_of
from notices.services.endpoints import (
    EndpointOptions,
    delivery_replay,
    endpoint_create,
    endpoint_delete,
    endpoint_rotate,
    endpoint_test,
    endpoint_update,
)
from orders.errors import OrderNotFound

WebhookPage = page_of(WebhookSerializer, name="WebhookPage")
DeliveryPage = page_of(DeliverySerializer, name="DeliveryPage")
MANAGE = frozenset({Scope.MANAGE})


class WebhookListView(ApiView):
    """The webhooks of an order."""

    scopes = {"GET": MANAGE, "POST": MANAGE}

    @extend_schema(
        operation_id="webhooks_list",
        parameters=[CURSOR_PARAMETER],
        responses={200: WebhookPage, **problems(ValidationError, OrderNotFound)},
    )
    def get(self, request: Request, order: UUID) -> Response:
        """List the webhooks of an order, newest first."""
        pages = NewestFirst()
        page = pages.paginate_queryset(webhooks_of(user=caller_of(request), order_id=order), request, self)
        return pages.get_paginated_response(WebhookSerializer(page, many=True).data)

    @extend_schema(
        operation_id="webhooks_create",
        parameters=[IDEMPOTENCY_PARAMETER],
        request=WebhookFields,
        responses={
            201: NewWebhookSerializer,
            **problems(ValidationError, OrderNotFound, IdempotencyKeyReused, EndpointsLimit),
        },
    )
    def post(self, request: Request, order: UUID) -> Response:
        """Add a webhook. The answer has its secret, which is not shown again."""
        user = caller_of(request)
        fields = body_read(request, WebhookFields)
        made = endpoint_create(
            user=user,
            order_id=order,
            options=EndpointOptions(kind=EndpointKind.WEBHOOK, **fields),
            idempotency=idempotency_key(request, user_id=user.id),
        )
        location = reverse("webhook", kwargs={"order": order, "webhook": made.id})
        headers = {"Location": request.build_absolute_uri(location), "Cache-Control": "no-store"}
        return Response(NewWebhookSerializer(made).data, status=status.HTTP_201_CREATED, headers=headers)


class WebhookBase(ApiView):
    """Views of one webhook."""

    def found(self, request: Request, order: UUID, webhook: UUID) -> Endpoint:
        """The webhook. Raises OrderNotFound, PermissionDenied, EndpointNotFound."""
        return endpoint_get(user=caller_of(request), order_id=order, endpoint_id=webhook, kinds=[EndpointKind.WEBHOOK])


class WebhookView(WebhookBase):
    """One webhook."""

    scopes = {"GET": MANAGE, "PATCH": MANAGE, "DELETE": MANAGE}

    @extend_schema(
        operation_id="webhooks_get",
        responses={200: WebhookSerializer, **problems(OrderNotFound, EndpointNotFound)},
    )
    def get(self, request: Request, order: UUID, webhook: UUID) -> Response:
        """Show one webhook."""
        return Response(WebhookSerializer(self.found(request, order, webhook)).data)

    @extend_schema(
        operation_id="webhooks_update",
        request=WebhookChanges,
        responses={200: WebhookSerializer, **problems(ValidationError, OrderNotFound, EndpointNotFound)},
    )
    def patch(self, request: Request, order: UUID, webhook: UUID) -> Response:
        """Change address, events or state of a webhook."""
        found = self.found(request, order, webhook)
        fields = body_read(request, WebhookChanges)
        changed = endpoint_update(user=caller_of(request), endpoint=found, **fields)
        return Response(WebhookSerializer(changed).data)

    @extend_schema(operation_id="webhooks_delete", responses={204: None, **problems(OrderNotFound, EndpointNotFound)})
    def delete(self, request: Request, order: UUID, webhook: UUID) -> Response:
        """Remove a webhook with its messages."""
        endpoint_delete(user=caller_of(request), endpoint=self.found(request, order, webhook))
        return Response(status=status.HTTP_204_NO_CONTENT)


class WebhookRotateView(WebhookBase):
    """The secret of a webhook."""

    scopes = {"POST": MANAGE}

    @extend_schema(
        operation_id="webhooks_rotate",
        request=None,
        responses={200: NewWebhookSerializer, **problems(ValidationError, OrderNotFound, EndpointNotFound)},
    )
    def post(self, request: Request, order: UUID, webhook: UUID) -> Response:
        """Make a new secret. For 24 hours messages have two signatures, one by each secret."""
        body_read(request, NoFields)
        rotated = endpoint_rotate(user=caller_of(request), endpoint=self.found(request, order, webhook))
        return Response(NewWebhookSerializer(rotated).data, headers={"Cache-Control": "no-store"})


class WebhookTestView(WebhookBase):
    """A test of a webhook."""

    scopes = {"POST": MANAGE}

    @extend_schema(
        operation_id="webhooks_test",
        request=None,
        responses={202: DeliverySerializer, **problems(ValidationError, OrderNotFound, EndpointNotFound)},
    )
    def post(self, request: Request, order: UUID, webhook: UUID) -> Response:
        """Send a message of the type `webhook.test`, once. Its answer stands in the list of deliveries."""
        body_read(request, NoFields)
        made = endpoint_test(user=caller_of(request), endpoint=self.found(request, order, webhook))
        return Response(DeliverySerializer(made).data, status=status.HTTP_202_ACCEPTED)


class DeliveryListView(WebhookBase):
    """The messages to a webhook."""

    scopes = {"GET": MANAGE}

    @extend_schema(
        operation_id="webhooks_deliveries",
        parameters=[CURSOR_PARAMETER],
        responses={200: DeliveryPage, **problems(ValidationError, OrderNotFound, EndpointNotFound)},
    )
    def get(self, request: Request, order: UUID, webhook: UUID) -> Response:
        """List the messages of the last 30 days with their answers, newest first."""
        pages = NewestFirst()
        page = pages.paginate_queryset(deliveries_of(self.found(request, order, webhook)), request, self)
        return pages.get_paginated_response(DeliverySerializer(page, many=True).data)


class DeliveryReplayView(WebhookBase):
    """A message that is sent once more."""

    scopes = {"POST": MANAGE}

    @extend_schema(
        operation_id="webhooks_replay",
        request=None,
        responses={
            202: DeliverySerializer,
            **problems(ValidationError, OrderNotFound, EndpointNotFound, DeliveryNotFound),
        },
    )
    def post(self, request: Request, order: UUID, webhook: UUID, delivery: UUID) -> Response:
        """Send a message once more, under the same `webhook-id`."""
        body_read(request, NoFields)
        found = self.found(request, order, webhook)
        again = delivery_replay(
            user=caller_of(request), delivery=delivery_get(endpoint=found, delivery_id=delivery), endpoint=found
        )
        return Response(DeliverySerializer(again).data, status=status.HTTP_202_ACCEPTED)
