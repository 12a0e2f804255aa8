"""Errors of an operating system in the words of a customer: the one table, by the names of errno(3)."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

_SENTENCES: dict[str, str | Promise] = {
    "EACCES": _("the backup agent has no permission for it."),
    "EBUSY": _("it is in use by the system, such as a mounted folder."),
    "EDQUOT": _("the disk quota is used up."),
    "EEXIST": _("there is something of that name already."),
    "EFBIG": _("the file is larger than this disk or its limits allow."),
    "EIO": _("the disk fails."),
    "ELOOP": _("it leads through too many links."),
    "EMFILE": _("the backup agent has too many files open."),
    "EMLINK": _("the file has more names than this disk allows."),
    "ENAMETOOLONG": _("the name is too long for this disk."),
    "ENFILE": _("the machine has too many files open."),
    "ENODEV": _("the disk is away."),
    "ENOENT": _("it is not there any more."),
    "ENOSPC": _("the disk has no room left for more bytes, or for more files."),
    "ENOTDIR": _("something on the way to it is no folder."),
    "ENOTEMPTY": _("the folder is not empty."),
    "EOPNOTSUPP": _("this kind of disk cannot do it."),
    "EPERM": _("the system does not allow it: it is immutable, or belongs to another user."),
    "EROFS": _("the disk is read-only."),
    "ESTALE": _("it is another file than before: the disk was changed meanwhile."),
    "EXDEV": _("this kind of disk cannot move it."),
}


def system_error_text(name: str) -> str:
    """Return the sentence for the name of an error in the active language; for an unknown one, the name."""
    return str(_SENTENCES.get(name, name))
