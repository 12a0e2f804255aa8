"""Warnings about backups that cannot be relied on, as sentences in the reader's language."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from backups.models import Backup
from common.sizes import number_text, size_text


def backup_caution(backup: Backup) -> str:
    """A warning about a backup with the advice for it; empty for a good one."""
    if backup.degraded and backup.damaged and (files := backup.damaged["files"]):
        return ngettext(
            "%(files)s file of this backup is damaged in the storage, so it cannot be restored as a whole. Use another "
            "backup, or create a new one: it stores the file again if the server still has it.",
            "%(files)s files of this backup are damaged in the storage, so it cannot be restored as a whole. Use "
            "another backup, or create a new one: it stores the files again if the server still has them.",
            files,
        ) % {"files": number_text(files)}
    if backup.degraded:
        return _(
            "The stored bytes of this backup are damaged, so it cannot be restored as a whole. Your server was not "
            "changed by that. Use another backup, create a new one, and tell support."
        )
    if not backup.collapsed:
        return ""
    if backup.had_entries is None or backup.had_bytes is None:
        return _(
            "Your server had no file content when this backup was made. Check that its disk is there, then create a "
            "new backup. A restore of this one asks again."
        )
    return _(
        "Your server had lost most of its files when this backup was made: it holds %(now)s, and an earlier good "
        "backup %(before)s. Check that the server's disk is there. Your earlier backups are kept, and a restore of "
        "this one asks again. If the server was meant to be so small, say so on the page of this backup."
    ) % {
        "now": _content(backup.entries or 0, backup.content_bytes or 0),
        "before": _content(backup.had_entries, backup.had_bytes),
    }


def _content(entries: int, content_bytes: int) -> str:
    counted = ngettext("%(count)s file or folder (%(size)s)", "%(count)s files and folders (%(size)s)", entries)
    return counted % {"count": number_text(entries), "size": size_text(content_bytes)}
