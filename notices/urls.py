"""Addresses of the inbox, of choices, and of webhooks."""

from __future__ import annotations

from django.urls import path

import common.api.paths  # noqa: F401  # registers <id:…>
from notices.api import webhooks
from notices.web import endpoints, inbox, order, preferences

_WEBHOOKS = "orders/<id:order>/webhooks/"
_WEBHOOK = f"{_WEBHOOKS}<id:webhook>/"
_PAGE = "orders/<id:order>/notifications/"
_ENDPOINT = f"{_PAGE}<id:endpoint>/"

web = [
    path("inbox/", inbox.InboxView.as_view(), name="inbox"),
    path("account/notices/", preferences.account_notices, name="account-notices"),
    path("accounts/unsubscribe/<str:token>/", preferences.unsubscribe, name="notices-unsubscribe"),
    path(_PAGE, order.NotificationsView.as_view(), name="page-order-notifications"),
    path(f"{_PAGE}choice/", order.ChoiceView.as_view(), name="page-order-notifications-choice"),
    path(f"{_PAGE}add/", order.EndpointAddView.as_view(), name="page-order-notifications-add"),
    path(_ENDPOINT, endpoints.EndpointView.as_view(), name="page-order-endpoint"),
    path(f"{_ENDPOINT}test/", endpoints.EndpointTestView.as_view(), name="page-order-endpoint-test"),
    path(f"{_ENDPOINT}switch/", endpoints.EndpointSwitchView.as_view(), name="page-order-endpoint-switch"),
    path(f"{_ENDPOINT}rotate/", endpoints.EndpointRotateView.as_view(), name="page-order-endpoint-rotate"),
    path(f"{_ENDPOINT}delete/", endpoints.EndpointDeleteView.as_view(), name="page-order-endpoint-delete"),
    path(
        f"{_ENDPOINT}deliveries/<id:delivery>/replay/", endpoints.DeliveryReplayView.as_view(),
        name="page-order-delivery-replay",
    ),
]  # fmt: skip

api = [
    path(_WEBHOOKS, webhooks.WebhookListView.as_view(), name="webhook-list"),
    path(_WEBHOOK, webhooks.WebhookView.as_view(), name="webhook"),
    path(f"{_WEBHOOK}rotate/", webhooks.WebhookRotateView.as_view(), name="webhook-rotate"),
    path(f"{_WEBHOOK}test/", webhooks.WebhookTestView.as_view(), name="webhook-test"),
    path(f"{_WEBHOOK}deliveries/", webhooks.DeliveryListView.as_view(), name="webhook-deliveries"),
    path(f"{_WEBHOOK}deliveries/<id:delivery>/replay/", webhooks.DeliveryReplayView.as_view(), name="webhook-replay"),
]
