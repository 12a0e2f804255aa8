"""`manage.py reconcile`: check every invariant, list violations, and repair them on request."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from backups.models import Finding, Invariant
from backups.reconcile.heartbeats import Heartbeats
from backups.reconcile.run import AlreadyRunning, Report, reconcile
from backups.reconcile.wording import finding_remedy, finding_sentence

SHOWN = 200
OPEN, BLIND = 1, 2


class Command(BaseCommand):
    help = (
        "CheckScope at what must hold (docs/architecture.md, Invariants) and list what does not. "
        "Exit status 1: findings remain open. 2: something could not be looked at."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--repair", action="store_true", help="repair what can be repaired without a doubt")
        parser.add_argument("--deep", action="store_true", help="open the first and last frame of every archive")
        parser.add_argument(
            "--invariant", action="append", choices=Invariant.values, help="look at this one only; may be repeated"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        invariants = frozenset(map(Invariant, options["invariant"] or Invariant.values))
        heartbeats = Heartbeats() if Invariant.I4 in invariants else None
        try:
            report = reconcile(
                invariants=invariants, repair=options["repair"], deep=options["deep"], heartbeats=heartbeats
            )
        except AlreadyRunning:
            raise CommandError("Another run is under way; nothing was looked at.", returncode=BLIND) from None
        self._summary(report)
        remaining = self._findings(invariants)
        for blind in report.blind:
            self.stderr.write(f"could not be looked at: {blind.where}: {blind.why}")
        if report.blind:
            raise CommandError("Not everything could be looked at. Run this again.", returncode=BLIND)
        if remaining:
            raise CommandError(f"{remaining} findings remain open.", returncode=OPEN)

    def _summary(self, report: Report) -> None:
        self.stdout.write("invariant  seen   new  gone  repaired")
        for invariant, tally in sorted(report.tallies.items()):
            self.stdout.write(f"{invariant:9} {tally.seen:5} {tally.new:5} {tally.gone:5} {tally.repaired:9}")

    def _findings(self, invariants: frozenset[Invariant]) -> int:
        """Print the open findings, a bounded number; return how many count."""
        rows = Finding.objects.filter(invariant__in=invariants, gone_at__isnull=True)
        for finding in rows.order_by("invariant", "code", "id")[:SHOWN]:
            state = "open" if finding.confirmed_at else "watched"
            where = finding.key or finding.object_id
            line = f"{finding.invariant} {finding.code} {state} since {finding.first_seen_at:%Y-%m-%d %H:%M}"
            self.stdout.write(f"{line} {finding.object_type} {where}: {finding_sentence(finding)}")
            if remedy := finding_remedy(finding):
                self.stdout.write(f"   repair: {remedy}")
        return rows.filter(confirmed_at__isnull=False).count()
