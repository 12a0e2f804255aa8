"""`manage.py sidecar_ca …`: the authority that signs for workers and sidecars, and the sidecars' certificates."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from common.errors import ApplicationError
from provisions.errors import NotASidecar
from provisions.models import Provision, ProvisionKind, SidecarAuthority
from provisions.services.sidecar_authority import authorities_retire, authority_create, authority_rotate
from provisions.services.sidecar_certificates import (
    certificates_in_use,
    sidecar_certificate_renew,
    sidecar_certificate_revoke,
)
from provisions.services.sidecar_enrolment import enrolment_create
from sidecar_client.errors import SidecarClientError

HOURS_MAX = 24 * 7


class Command(BaseCommand):
    help = "The private authority that signs for workers and sidecars, for TLS between hosts."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        actions.add_parser("init", help="make the portal's authority")
        actions.add_parser("show", help="say which authorities and certificates there are")
        actions.add_parser("rotate", help="make a new authority, which signs from now on")
        actions.add_parser("retire", help="believe only the newest authority; every sidecar must have been renewed")
        enrol = actions.add_parser("enrol", help="print a token that a sidecar enrols with, once")
        enrol.add_argument("provision", metavar="PROVISION", type=UUID, help="the id of a provision of kind sidecar")
        enrol.add_argument("--hours", type=int, default=24, help=f"how long it is good, 1 to {HOURS_MAX} (default: 24)")
        revoke = actions.add_parser("revoke", help="do not connect to a sidecar until it is enrolled anew")
        revoke.add_argument("provision", metavar="PROVISION", type=UUID, help="the id of a provision of kind sidecar")
        renew = actions.add_parser("renew", help="give sidecars a new certificate now; it is done in time without this")
        which = renew.add_mutually_exclusive_group(required=True)
        which.add_argument("provision", metavar="PROVISION", type=UUID, nargs="?", help="the id of one sidecar")
        which.add_argument("--all", action="store_true", help="every sidecar that has a certificate")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['action']}")(options)
        except (ApplicationError, SidecarClientError) as error:
            raise CommandError(str(error.detail)) from None

    def _init(self, _options: dict[str, Any]) -> None:
        self._say_until(authority_create())

    def _rotate(self, _options: dict[str, Any]) -> None:
        self._say_until(authority_rotate())
        self.stdout.write("Sidecars get their certificate from it within hours, or at once: sidecar_ca renew --all")

    def _retire(self, _options: dict[str, Any]) -> None:
        self.stdout.write(f"{authorities_retire()} authorities retired")

    def _show(self, _options: dict[str, Any]) -> None:
        for authority in SidecarAuthority.objects.defer("key").order_by("id"):
            state = "retired" if authority.retired_at else "signs" if authority.signs else "believed"
            self.stdout.write(f"authority {authority} {state}, until {authority.expires_at:%Y-%m-%d}")
        for row in certificates_in_use().order_by("expires_at"):
            until = f"until {row.expires_at:%Y-%m-%d %H:%M}"
            self.stdout.write(f"sidecar {row.provision_id} {until}, authority {row.authority_id}, SHA-256 {row}")

    def _enrol(self, options: dict[str, Any]) -> None:
        if not 1 <= options["hours"] <= HOURS_MAX:
            raise CommandError(f"--hours must be a number from 1 to {HOURS_MAX}.")
        self.stdout.write(enrolment_create(sidecar=_sidecar(options["provision"]), hours=options["hours"]))

    def _revoke(self, options: dict[str, Any]) -> None:
        done = sidecar_certificate_revoke(sidecar=_sidecar(options["provision"]))
        self.stdout.write("revoked" if done else "there was no certificate")

    def _renew(self, options: dict[str, Any]) -> None:
        sidecars = (
            [row.provision for row in certificates_in_use().select_related("provision").defer("provision__token")]
            if options["all"]
            else [_sidecar(options["provision"])]
        )
        failed = 0
        for sidecar in sidecars:
            try:
                sidecar_certificate_renew(sidecar=sidecar)
            except (ApplicationError, SidecarClientError) as error:
                failed += 1
                self.stderr.write(f"sidecar {sidecar.id}: {error.detail}")
        summary = f"{len(sidecars) - failed} renewed, {failed} failed"
        if failed:
            raise CommandError(f"{summary}. Failed ones keep their certificate; run this again.")
        self.stdout.write(summary)

    def _say_until(self, authority: SidecarAuthority) -> None:
        self.stdout.write(f"authority {authority} signs from now on, until {authority.expires_at:%Y-%m-%d}")


def _sidecar(provision_id: UUID) -> Provision:
    sidecar = Provision.objects.filter(id=provision_id, kind=ProvisionKind.SIDECAR).defer("token").first()
    if sidecar is None:
        raise NotASidecar
    return sidecar
