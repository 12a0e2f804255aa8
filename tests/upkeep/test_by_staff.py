"""Upkeep on demand: the admin's actions, and the commands of operators."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from backups.services.upkeep import repository_prune
from operations.models import Operation, OperationState
from tests.api.admin_pages import messages_of, page
from tests.factories import StorageTargetFactory, UserFactory
from tests.world.clients import browser_of
from tests.world.snapshots import flip, later
from vault.models import Repository, StorageTarget


def command(*arguments):
    """The command's output and exit status."""
    out, err = StringIO(), StringIO()
    try:
        call_command(*arguments, stdout=out, stderr=err)
    except CommandError as error:
        return out.getvalue() + err.getvalue() + str(error), error.returncode
    return out.getvalue() + err.getvalue(), 0


def test_gc_says_in_numbers_what_it_would_do_and_what_it_did(snapshots, garbage, monkeypatch):
    before = set(snapshots.packs())
    said, status = command("gc", "--target", snapshots.target.name, "--dry-run")
    assert (status, "planned: 0 packs to delete now" in said, "done" in said) == (0, True, False)
    said, status = command("gc", "--target", str(snapshots.target.id))
    assert (status, "condemned" in said) == (0, True)
    assert set(snapshots.packs()) >= before
    later(monkeypatch, timedelta(days=1))
    said, status = command("gc", "--target", snapshots.target.name)
    assert (status, "0 failed" in said) == (0, True)
    assert len(set(snapshots.packs()) & before) < len(before)


def test_gc_that_could_not_says_why_and_exits_with_a_failure(snapshots, garbage):
    snapshots.root_of(garbage).unlink()
    said, status = command("gc", "--target", snapshots.target.name)
    assert (status, "should be there are not listed" in said) == (1, True)
    repository_prune(repository=snapshots.row, user=None)
    said, status = command("gc", "--target", snapshots.target.name)
    assert (status, "Another operation of this kind" in said) == (1, True)


@pytest.mark.parametrize("name", ["nobody", "00000000-0000-4000-8000-000000000000"])
@pytest.mark.parametrize("words", [("gc",), ("verify",)])
def test_a_target_that_does_not_exist_is_named(words, name, db):
    said, status = command(*words, "--target", name)
    assert (status, said) == (1, f"There is no storage target {name}.")


def test_verify_says_what_is_damaged(snapshots, garbage):
    said, status = command("verify", "--target", snapshots.target.name)
    assert (status, "1 repositories verified, 0 damaged backups, 0 not verified" in said) == (0, True)
    flip(snapshots.pack_of(garbage, b"a"), at=60)
    said, status = command("verify", "--target", snapshots.target.name, "--data")
    assert (status, "1 damaged backups" in said, "chunks do not open" in said) == (1, True, True)


def test_verify_that_could_not_has_a_status_of_its_own(snapshots, garbage):
    StorageTarget.objects.filter(id=snapshots.target.id).update(options={"root": "/nonexistent"})
    said, status = command("verify", "--target", snapshots.target.name)
    assert (status, "1 not verified" in said) == (2, True)


ACTIONS = {
    "plan_prune": ("prune", {"dry_run": True}),
    "prune": ("prune", {"dry_run": False}),
    "verify_structure": ("verify", {"depth": "structure"}),
    "verify_data": ("verify", {"depth": "data"}),
}


def acted(client, action, row):
    values = {"action": action, "_selected_action": [str(row.pk)]}
    return client.post(page(Repository, "changelist"), values, follow=True)


@pytest.mark.parametrize("action", ACTIONS)
def test_staff_start_upkeep_and_see_it(action, snapshots, garbage):
    client = browser_of(UserFactory(is_staff=True, is_superuser=True))
    kind, params = ACTIONS[action]
    assert messages_of(acted(client, action, snapshots.row)) == [f"{snapshots.row}: started; see operations"]
    operation = Operation.objects.get(kind=kind)
    assert (operation.params, operation.scope_id) == (params, snapshots.row.id)
    assert "Another operation of this kind" in messages_of(acted(client, action, snapshots.row))[0]
    assert snapshots.run(operation).state == OperationState.SUCCEEDED
    shown = client.get(page(Operation, "change", operation.pk)).content.decode()
    assert ("plan" if kind == "prune" else "snapshots") in shown


def test_staff_without_the_right_start_nothing(snapshots, garbage):
    from django.contrib.auth.models import Permission

    clerk = UserFactory(is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="view_repository"))
    acted(browser_of(clerk), "prune", snapshots.row)
    assert not Operation.objects.filter(kind="prune").exists()


def test_progress_and_reason_are_shown_in_the_list(snapshots, garbage):
    snapshots.root_of(garbage).unlink()
    failed = snapshots.run(repository_prune(repository=snapshots.row, user=None))
    client = browser_of(UserFactory(is_staff=True, is_superuser=True))
    assert "should be there are not listed" in client.get(page(Operation, "change", failed.pk)).content.decode()
    live = repository_prune(repository=snapshots.row, user=None)
    Operation.objects.filter(id=live.id).update(
        state=OperationState.RUNNING, fence=1, phase="pruning", bytes_done=30, bytes_total=60,
        result={"progress": {"packs": 3, "packs_total": 9}},
    )  # fmt: skip
    shown = client.get(page(Operation, "changelist")).content.decode()
    assert "pruning 3/9 packs 50 %" in shown


@pytest.mark.parametrize(("chosen", "stored"), [("tar.zst", "tar.zst"), ("tar.gz", "tar.gz"), ("zip", "tar.gz")])
def test_the_format_of_archives_is_the_targets_choice(chosen, stored, admin_client, tmp_path, settings):
    settings.SAVEPOINT_STORAGE_ROOTS = [str(tmp_path)]
    target = StorageTargetFactory(options={"root": str(tmp_path)})
    values = {"name": target.name, "kind": "local", "local_root": str(tmp_path), "archive_format": chosen}
    answer = admin_client.post(page(StorageTarget, "change", target.pk), values)
    assert answer.status_code == (302 if chosen == stored else 200)
    target.refresh_from_db()
    assert target.archive_format == stored


@pytest.mark.parametrize(("hour", "ok"), [("0", True), ("23", True), ("24", False), ("-1", False)])
def test_the_hour_of_upkeep_is_one_of_a_day(hour, ok, admin_client, tmp_path, settings):
    settings.SAVEPOINT_STORAGE_ROOTS = [str(tmp_path)]
    target = StorageTargetFactory(options={"root": str(tmp_path)})
    values = {"name": target.name, "kind": "local", "local_root": str(tmp_path), "upkeep_hour": hour}
    assert admin_client.post(page(StorageTarget, "change", target.pk), values).status_code == (302 if ok else 200)
    target.refresh_from_db()
    assert target.upkeep_hour == (int(hour) if ok else 3)
