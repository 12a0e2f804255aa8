"""Every address of the product."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

import accounts.api.schema  # registers how the OpenAPI description shows who calls
import accounts.urls
import backups.urls
import operations.urls
import orders.urls
import provisions.urls
import schedules.urls
from common.api.views import unknown_address
from config import health
from config.metrics import metrics

# The description holds no data: it is public, so that the API can be read about without an account.
_description = [
    path("schema/", SpectacularAPIView.as_view(authentication_classes=[]), name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(authentication_classes=[]), name="docs"),
]

admin.site.site_header = admin.site.site_title = "Savepoint"

urlpatterns = [
    *backups.urls.web,
    path(
        "api/v1/",
        include(
            [
                *orders.urls.api,
                *provisions.urls.api,
                *operations.urls.api,
                *backups.urls.api,
                *schedules.urls.api,
                *_description,
            ]
        ),
    ),
    # Without this an address without its last slash would be redirected, and a POST arrive as a GET.
    re_path(r"^api/", unknown_address, name="api-unknown"),
    *accounts.urls.web,
    path("admin/", admin.site.urls),
    path("livez", health.livez, name="livez"),
    path("readyz", health.readyz, name="readyz"),
    path("healthz", health.healthz, name="healthz"),
    path("metrics", metrics, name="metrics"),
]

handler400 = "config.fallbacks.bad_request"
handler403 = "config.fallbacks.forbidden"
handler404 = "config.fallbacks.not_found"
handler500 = "config.fallbacks.server_error"
