"""A rental with backups through a real sidecar, in real storage, and a look at it all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from backups.models import Backup, Finding, Invariant
from backups.reconcile.run import Report, reconcile
from tests.world.rental import Rental
from vault.models import Asset


class World(Rental):
    """The rental, its storage as a folder, and what a look at it all finds."""

    def path(self, backup: Backup, suffix: str = "") -> Path:
        """Where the archive lies, or what is beside it."""
        return self.root / (Asset.objects.get(backup=backup).key + suffix)

    def drop(self, key: str, content: bytes = b"left over") -> Path:
        """Put a file into the storage behind the product's back."""
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def look(self, *invariants: str, **options: Any) -> Report:
        return reconcile(invariants=frozenset(map(Invariant, invariants or Invariant.values)), **options)

    def codes(self) -> list[str]:
        """The codes of the confirmed findings that are open."""
        counted = Finding.objects.filter(gone_at__isnull=True, confirmed_at__isnull=False)
        return sorted(counted.values_list("code", flat=True))

    def found(self, *invariants: str, **options: Any) -> list[str]:
        """The codes of the confirmed findings that are open, after a look that saw everything."""
        report = self.look(*invariants, **options)
        assert report.blind == []
        return self.codes()
