"""The folder of a sidecar's certificate, and the configuration that names it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar.config import config_read
from sidecar.errors import StartError
from sidecar.tls.certificates import CertificateError, key_fits
from sidecar.tls.folder import TlsFolder
from tests.sidecar_daemon.tls_daemon import PROVISION, Authority, TlsDaemon
from wire.contract import sidecar_name

NAME = sidecar_name(PROVISION)


class Died(Exception):
    """Simulates the end of the process."""


@pytest.fixture
def authority() -> Authority:
    return Authority()


@pytest.fixture
def folder(tmp_path: Path, authority: Authority) -> TlsFolder:
    """A folder with a certificate in use."""
    folder = TlsFolder(tmp_path / "tls")
    folder.create()
    folder.install(certificate=authority.sign(folder.request()), authorities=authority.pem, name=NAME)
    return folder


def dying_before(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process die before the `step`-th rename from now."""
    rename, seen = Path.replace, []

    def replace(self: Path, target: Path) -> Path:
        seen.append(target)
        if len(seen) > step:
            raise Died
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", replace)


@pytest.mark.parametrize("step", range(3))
def test_a_crash_at_any_step_leaves_a_key_that_fits_the_certificate(
    folder: TlsFolder, authority: Authority, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = folder.load()
    renewed = authority.sign(folder.request())
    with monkeypatch.context() as patch:
        dying_before(step, patch)
        with pytest.raises(Died):
            folder.install(certificate=renewed, authorities=authority.pem, name=NAME)
    after = TlsFolder(folder.path).load()
    assert after.certificate == (renewed if step == 2 else before.certificate)
    assert key_fits(key=after.key, certificate=after.certificate)
    # Leftovers of a half done step are no obstacle.
    folder.install(certificate=authority.sign(folder.request()), authorities=authority.pem, name=NAME)
    assert sorted(path.name for path in folder.path.iterdir()) == ["authorities.pem", "certificate.pem", "key.pem"]


def test_a_request_alone_changes_nothing(folder: TlsFolder) -> None:
    before, stamp = folder.load(), folder.stamp()
    folder.request()
    assert folder.load() == before
    assert folder.stamp() == stamp


def test_a_certificate_written_in_place_with_its_old_time_is_noticed(folder: TlsFolder) -> None:
    stamp, certificate = folder.stamp(), folder.path / "certificate.pem"
    before = certificate.stat()
    certificate.write_bytes(certificate.read_bytes())
    os.utime(certificate, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = certificate.stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_size) == (before.st_ino, before.st_mtime_ns, before.st_size)
    assert folder.stamp() != stamp


def test_a_key_is_for_its_owner_only_from_the_first_moment(folder: TlsFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    modes, rename = [], Path.replace

    def replace(self: Path, target: Path) -> Path:
        modes.append(self.stat().st_mode & 0o777)
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    folder.request()
    assert modes == [0o600]


def test_a_full_disk_is_named_and_the_certificate_in_use_stays(
    folder: TlsFolder, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed = authority.sign(folder.request())
    with monkeypatch.context() as patch:
        patch.setattr("sidecar.tls.folder.os.fsync", _full)
        with pytest.raises(CertificateError, match=r"authorities\.pem cannot be written: No space left on device"):
            folder.install(certificate=renewed, authorities=authority.pem, name=NAME)
    assert folder.load().certificate != renewed


def _full(_descriptor: int) -> None:
    raise OSError(28, "No space left on device")


def test_representations_show_no_key(folder: TlsFolder) -> None:
    assert "PRIVATE" not in repr(folder.load())


def test_a_folder_that_others_may_enter_is_not_enrolled_into(tmp_path: Path) -> None:
    (tmp_path / "tls").mkdir(mode=0o755)
    with pytest.raises(CertificateError, match="accessible to its owner only"):
        TlsFolder(tmp_path / "tls").create()


@pytest.mark.parametrize("listen", ["0.0.0.0:7331", "[::]:7331", "192.0.2.1:7331", "127.0.0.1:7331"])
def test_with_tls_any_address_may_be_listened_on_and_no_token_is_needed(tmp_path: Path, listen: str) -> None:
    config = config_read(TlsDaemon(tmp_path).write_config(listen=listen))
    assert (config.listen, config.token, config.tls_folder) == (listen, "", tmp_path / "tls")


MISTAKES: dict[str, tuple[Callable[[TlsDaemon], dict[str, object]], str]] = {
    "neither": (lambda _: {"tls_folder": None}, "'token_file' is missing"),
    "both": (lambda daemon: {"token_file": f"{daemon.folder}/token"}, "exclude each other"),
    "a socket": (lambda daemon: {"listen": f"unix:{daemon.folder}/socket"}, "needs a port to listen on"),
    "relative": (lambda _: {"tls_folder": "tls"}, "tls_folder must be an absolute path"),
    "in the data": (lambda daemon: {"tls_folder": f"{daemon.world}/tls"}, "must not lie in data_root"),
    "in scratch": (lambda daemon: {"tls_folder": f"{daemon.scratch}/tls"}, "must not lie in data_root or scratch"),
    "around": (lambda daemon: {"tls_folder": f"{daemon.folder}"}, "nor around them"),
    "plain text": (
        lambda daemon: {"tls_folder": None, "token_file": f"{daemon.folder}/token", "listen": "0.0.0.0:7331"},
        "must be a loopback address",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named(tmp_path: Path, mistake: tuple[Callable[[TlsDaemon], dict[str, object]], str]) -> None:
    changes, named = mistake
    daemon = TlsDaemon(tmp_path)
    config = daemon.write_config(**changes(daemon))
    with pytest.raises(StartError) as error:
        config_read(config)
    assert named in str(error.value)
