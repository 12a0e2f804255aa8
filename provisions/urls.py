"""Addresses of provisions."""

from __future__ import annotations

from django.urls import path

import common.api.paths  # noqa: F401  # registers <id:…>
from provisions.api.enrolment import SidecarEnrolView
from provisions.api.views import ProvisionListView, ProvisionView

api = [
    path("sidecars/enrol/", SidecarEnrolView.as_view(), name="sidecar-enrol"),
    path("orders/<id:order>/provisions/", ProvisionListView.as_view(), name="provision-list"),
    path("orders/<id:order>/provisions/<id:provision>/", ProvisionView.as_view(), name="provision"),
]
