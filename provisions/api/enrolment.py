"""The enrolment of sidecars: the one endpoint whose caller has only a one-time token."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.schema import problems
from common.api.throttling import WindowThrottle
from common.api.views import ApiView, body_read
from common.errors import KeyUnavailable, ValidationError
from provisions.api.serializers import EnrolledSerializer, EnrolmentSerializer
from provisions.errors import NoSidecarAuthority
from provisions.services.sidecar_enrolment import sidecar_enrol


class EnrolThrottle(WindowThrottle):
    """Throttles enrolments: legitimate ones are few, and tokens must not be guessed."""

    scope = "enrol"
    safe = False
    rate = "20/min"


class SidecarEnrolView(ApiView):
    """The enrolment of a sidecar."""

    # The request is anonymous: only its body counts, and a session or an API token adds nothing.
    authentication_classes = ()
    permission_classes = ()
    throttle_classes = (EnrolThrottle,)

    @extend_schema(
        operation_id="sidecars_enrol",
        request=EnrolmentSerializer,
        responses={200: EnrolledSerializer, **problems(ValidationError, NoSidecarAuthority, KeyUnavailable)},
        auth=[],
    )
    def post(self, request: Request) -> Response:
        """Exchange a one-time token and a certificate request for a certificate."""
        values = body_read(request, EnrolmentSerializer)
        return Response(EnrolledSerializer(sidecar_enrol(token=values["token"], request=values["request"])).data)
