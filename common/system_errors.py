"""Errors of an operating system in the words of a customer: the one table of errno(3)."""

from __future__ import annotations

import errno

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

_NUMBERS = {name: number for name, number in vars(errno).items() if name.startswith("E")}
"""By every name: some errors have two, such as EOPNOTSUPP and ENOTSUP."""

_BUSY = _("it is in use by the system, such as a mounted folder.")
_TAKEN = _("there is something of that name already.")
_TOO_LARGE = _("the file is larger than this disk or its limits allow.")
_FAILS = _("the disk fails.")
_DAMAGED = _("the file system is damaged: it has to be checked and repaired.")
_AWAY = _("the disk is away.")
_NO_ANSWER = _("the disk belongs to another machine, which does not answer.")
_UNABLE = _("this kind of disk cannot do it.")
_NOT_TAKEN = _("this kind of disk does not take it: a character of the name, for example.")
_ATTRIBUTE = _("one of its attributes is larger than this disk allows.")
_OVERLOADED = _("the machine was too busy for it at that moment.")
_OTHER = _("the system reports the error %(name)s.")
_LOCKED = _("it is encrypted, and the machine does not have the key.")

_SENTENCES: dict[int, str | Promise] = {
    errno.EACCES: _("the backup agent has no permission for it."),
    errno.EPERM: _("the system does not allow it: it is immutable, or belongs to another user."),
    **dict.fromkeys((errno.EBUSY, errno.ETXTBSY), _BUSY),
    **dict.fromkeys((errno.EEXIST, errno.EISDIR, errno.ENOTUNIQ), _TAKEN),
    errno.ENOENT: _("it is not there any more."),
    errno.ENOTDIR: _("something on the way to it is no folder."),
    errno.ENOTEMPTY: _("the folder is not empty."),
    errno.ELOOP: _("it leads through too many links."),
    errno.ESTALE: _("it is another file than before: the disk was changed meanwhile."),
    errno.EXDEV: _("this kind of disk cannot move it."),
    errno.EROFS: _("the disk is read-only."),
    errno.EDQUOT: _("the disk quota is used up."),
    errno.ENOSPC: _("the disk has no room left for more bytes, or for more files."),
    **dict.fromkeys((errno.EFBIG, errno.EOVERFLOW), _TOO_LARGE),
    **dict.fromkeys((errno.E2BIG, errno.ERANGE), _ATTRIBUTE),
    errno.EMLINK: _("the file has more names than this disk allows."),
    errno.ENAMETOOLONG: _("the name is too long for this disk."),
    **dict.fromkeys((errno.EINVAL, errno.EILSEQ), _NOT_TAKEN),
    **dict.fromkeys((errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOTTY), _UNABLE),
    # Codes of drives, and in ENODATA's case of the layer above them, for a sector that cannot be read.
    **dict.fromkeys((errno.EIO, errno.EREMOTEIO, errno.ENODATA), _FAILS),
    # Codes of ext4, xfs, btrfs and f2fs for wrong structures and for wrong checksums.
    **dict.fromkeys((errno.EUCLEAN, errno.EBADMSG), _DAMAGED),
    **dict.fromkeys((errno.ENODEV, errno.ENXIO, errno.ENOMEDIUM, errno.EMEDIUMTYPE), _AWAY),
    # What NFS, SMB, Ceph and FUSE report.
    **dict.fromkeys(
        (
            errno.ETIMEDOUT, errno.ETIME, errno.ENOTCONN, errno.ESHUTDOWN, errno.EPIPE, errno.ENOLINK, errno.ECOMM,
            errno.EPROTO, errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED, errno.EHOSTDOWN,
            errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH, errno.ENETRESET, errno.EREMCHG,
        ),
        _NO_ANSWER,
    ),
    **dict.fromkeys((errno.ENOKEY, errno.EKEYEXPIRED, errno.EKEYREVOKED, errno.EKEYREJECTED), _LOCKED),
    errno.EMFILE: _("the backup agent has too many files open."),
    errno.ENFILE: _("the machine has too many files open."),
    **dict.fromkeys((errno.ENOMEM, errno.ENOBUFS), _("the machine has too little memory.")),
    **dict.fromkeys((errno.EAGAIN, errno.EINTR, errno.EDEADLK, errno.ENOLCK, errno.ECANCELED), _OVERLOADED),
}  # fmt: skip


def system_error_text(name: str) -> str:
    """Return the sentence for the name of an error in the active language; it names an error that files never have."""
    sentence = _SENTENCES.get(_NUMBERS.get(name, 0))
    return str(_OTHER) % {"name": name} if sentence is None else str(sentence)
