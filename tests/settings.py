"""The product's settings with keys for tests, so that tests and type checks need no preparation."""

import os
import tempfile
from pathlib import Path

os.environ.setdefault("SECRET_KEY", "only-for-tests-" + "x" * 50)
os.environ.setdefault("SAVEPOINT_MASTER_KEYS", "1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
os.environ.setdefault("SAVEPOINT_HOME", str(Path(tempfile.gettempdir()) / "savepoint-tests"))
if os.environ.get("SAVEPOINT_TEST_DATABASE"):
    os.environ["DATABASE_URL"] = os.environ["SAVEPOINT_TEST_DATABASE"]

from config.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

if "sqlite3" in str(DATABASES["default"]["ENGINE"]):  # noqa: F405
    # A file, as in production: the threads of an in-memory database would share one connection's locks. It lies in
    # /dev/shm if the machine has that, so that a busy disk does not slow tests down.
    SAVEPOINT_HOME.mkdir(parents=True, exist_ok=True)  # noqa: F405
    folder = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else SAVEPOINT_HOME  # noqa: F405, S108
    DATABASES["default"]["TEST"] = {"NAME": str(folder / f"savepoint-test-{os.getpid()}.sqlite3")}  # noqa: F405
