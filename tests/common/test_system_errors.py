"""Errors of the operating system: each that a call for a file may end with has a sentence."""

from __future__ import annotations

import errno

import pytest

from common.errors import error_detail
from common.system_errors import system_error_text

NO_FILES = {
    # Arguments that no program of ours passes, and calls for processes, terminals and directories of descriptors.
    "EBADF", "EFAULT", "ESRCH", "ENOEXEC", "ECHILD", "ENOTBLK", "ESPIPE", "EDOM", "ERFKILL",
    # Semaphores, message queues, streams, shared libraries, old networks and hardware.
    "ENOMSG", "EIDRM", "ECHRNG", "EL2NSYNC", "EL3HLT", "EL3RST", "ELNRNG", "EUNATCH", "ENOCSI", "EL2HLT", "EBADE",
    "EBADR", "EXFULL", "ENOANO", "EBADRQC", "EBADSLT", "EBFONT", "ENOSTR", "ENOSR", "ENONET", "ENOPKG", "EREMOTE",
    "EADV", "ESRMNT", "EMULTIHOP", "EDOTDOT", "EBADFD", "ELIBACC", "ELIBBAD", "ELIBSCN", "ELIBMAX", "ELIBEXEC",
    "ERESTART", "ESTRPIPE", "EUSERS", "ENOTNAM", "ENAVAIL", "EISNAM", "EOWNERDEAD", "ENOTRECOVERABLE", "EHWPOISON",
    "EDEADLOCK", "EQFULL",
    # Sockets.
    "ENOTSOCK", "EDESTADDRREQ", "EMSGSIZE", "EPROTOTYPE", "ENOPROTOOPT", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT",
    "EPFNOSUPPORT", "EAFNOSUPPORT", "EADDRINUSE", "EADDRNOTAVAIL", "EISCONN", "ETOOMANYREFS", "EALREADY",
    "EINPROGRESS",
}  # fmt: skip
"""Errors that no call for a file ends with."""
OF_FILES = sorted({*errno.errorcode.values(), "EOPNOTSUPP", "ENOTSUP", "EWOULDBLOCK", "EDEADLK"} - NO_FILES)


@pytest.mark.parametrize("name", OF_FILES)
def test_each_error_of_a_file_has_its_sentence(name: str) -> None:
    sentence = system_error_text(name)
    assert name not in sentence
    assert sentence.endswith(".")
    assert sentence in error_detail(code="source_failed", params={"path": "world/map", "errno": name})


@pytest.mark.parametrize("names", [("EOPNOTSUPP", "ENOTSUP"), ("EAGAIN", "EWOULDBLOCK"), ("EDEADLK", "EDEADLOCK")])
def test_both_names_of_an_error_have_one_sentence(names: tuple[str, str]) -> None:
    assert len({system_error_text(name) for name in names}) == 1


@pytest.mark.parametrize("name", [*sorted(NO_FILES - {"EDEADLOCK"}), "EOTHER", "", "errorcode", "__doc__", "5"])
def test_any_other_error_is_named_in_a_sentence(name: str) -> None:
    assert system_error_text(name) == f"the system reports the error {name}."
