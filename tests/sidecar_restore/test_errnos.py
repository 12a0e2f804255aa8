"""Every error of the operating system becomes an error with a code, its name and the path."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from common.errors import error_detail
from sidecar.errors import SidecarError
from tests.sidecar_restore.archives import compressed, member
from tests.sidecar_restore.conftest import Extract
from tests.sidecar_restore.faults import Stepping
from tests.sidecar_restore.trees import live, settle, write

CODES = {
    errno.EDQUOT: "not_enough_space",
    errno.ENOSPC: "not_enough_space",
    errno.EROFS: "source_failed",
    errno.EACCES: "source_failed",
    errno.EPERM: "source_failed",
    errno.EIO: "source_failed",
    errno.EMFILE: "source_failed",
    errno.ENFILE: "source_failed",
    errno.EFBIG: "source_failed",
    errno.ESTALE: "source_failed",
    errno.EUCLEAN: "source_failed",
    errno.EBADMSG: "source_failed",
    errno.EREMOTEIO: "source_failed",
    errno.ETIMEDOUT: "source_failed",
    errno.ENOTCONN: "source_failed",
    errno.EOPNOTSUPP: "source_failed",
    errno.ENOMEM: "source_failed",
    errno.EILSEQ: "archive_refused",
    errno.EINVAL: "archive_refused",
    errno.ENAMETOOLONG: "archive_refused",
    errno.ELOOP: "archive_refused",
}


@pytest.mark.parametrize("step", ["make_folder", "write", "set_metadata", "make_symlink"])
@pytest.mark.parametrize("number", CODES, ids=errno.errorcode.get)
def test_error_while_staging_names_path_and_reason(
    place: Path, root: Path, extract: Extract, number: int, step: str
) -> None:
    write(root / "stays", b"old")
    settle(root)
    parts = [
        member(b"folder", kind=b"5"),
        member(b"folder/file", b"new"),
        member(b"folder/link", kind=b"2", link=b"x"),
    ]
    before, struck = live(root), []

    def fail(_step: int, name: str) -> None:
        if name == step and (root / ".savepoint").exists() and list((root / ".savepoint").glob("*/links")):
            struck.append(name)
            raise OSError(number, os.strerror(number))

    with pytest.raises(SidecarError) as failure:
        extract(compressed(place / "a.tar.gz", *parts), filesystem=Stepping(before=fail))

    assert struck
    path = {"make_folder": "folder", "make_symlink": "folder/link"}.get(step, "folder/file")
    assert failure.value.code == CODES[number]
    assert failure.value.params == {"path": path, "errno": errno.errorcode[number]}
    assert live(root) == before


@pytest.mark.parametrize("step", ["move", "exchange"])
@pytest.mark.parametrize("number", [errno.EIO, errno.EROFS, errno.EDQUOT, errno.EBUSY], ids=errno.errorcode.get)
def test_error_while_exchanging_names_path_and_reason(
    place: Path, root: Path, extract: Extract, number: int, step: str
) -> None:
    write(root / "file", b"old")
    settle(root)
    before, struck = live(root), []

    def fail(_step: int, name: str) -> None:
        if name == step and not struck:
            struck.append(name)
            raise OSError(number, os.strerror(number))

    name = b"file" if step == "exchange" else b"new"
    with pytest.raises(SidecarError) as failure:
        extract(
            compressed(place / "a.tar.gz", member(b"file", b"new"), member(b"new")), filesystem=Stepping(before=fail)
        )

    assert struck
    assert failure.value.params == {"path": name.decode(), "errno": errno.errorcode[number]}
    assert live(root) == before


@pytest.mark.parametrize("number", CODES, ids=errno.errorcode.get)
def test_sentence_names_path_and_a_reason_in_words(number: int) -> None:
    sentence = error_detail(code=CODES[number], params={"path": "world/map", "errno": errno.errorcode[number]})
    assert "“world/map”" in sentence
    assert errno.errorcode[number] not in sentence


def test_sentence_of_a_volume_without_inodes_counts_files() -> None:
    sentence = error_detail(code="not_enough_space", params={"needed_files": 20_016, "free_files": 7})
    assert "20016" in sentence
    assert "MiB" not in sentence
