"""The staff's page of findings: each problem as a sentence, and the effect of a repair."""

from __future__ import annotations

from django.utils import timezone

from backups.models import Finding
from tests.api.admin_pages import page
from tests.factories import FindingFactory


def test_list_shows_problem_and_object(admin_client):
    finding = FindingFactory(code="archive_size", params={"found": 5, "expected": 7})
    listed = admin_client.get(page(Finding, "changelist")).content.decode()
    assert "The archive of this backup has 5 bytes in its storage, and should have 7." in listed
    assert f"backup {finding.object_id}" in listed


def test_finding_page_describes_the_repair(admin_client):
    shown = admin_client.get(page(Finding, "change", FindingFactory(code="hold_expired").pk)).content.decode()
    assert "The hold is released." in shown


def test_resolved_findings_can_be_hidden(admin_client):
    FindingFactory(code="hold_expired")
    FindingFactory(code="delete_lost", gone_at=timezone.now())
    listed = admin_client.get(page(Finding, "changelist"), {"gone_at__isempty": "1"}).content.decode()
    assert "The hold of a reprovision" in listed
    assert "The backup was deleted" not in listed


def test_a_key_from_a_storage_is_shown_as_text(admin_client):
    FindingFactory(code="object_foreign", object_type="target", key="backups/<script>x</script>")
    listed = admin_client.get(page(Finding, "changelist")).content.decode()
    assert "<script>x</script>" not in listed
    assert "&lt;script&gt;x" in listed
