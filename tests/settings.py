"""The desk's own settings, quicker and with nothing left behind."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

os.environ.setdefault("SECRET_KEY", "for-tests-only")
os.environ["DATABASE_URL"] = os.environ.get("TEST_DATABASE_URL", "sqlite://:memory:")
# Also of the processes that tests start.
os.environ["LOCAL_CACHE_DIR"] = "off"
# Each takes a second and more; the tests that are about them switch them on.
os.environ.setdefault("FIDELITY_CHECKS", "false")
os.environ.setdefault("LOOK_SECONDS", "0")

from config.settings import *
from config.settings import DATABASES

DEBUG = False
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
MEDIA_ROOT = tempfile.mkdtemp(prefix="upscaler-tests-")
TILE_CACHE_DIR = Path(MEDIA_ROOT) / "cache"
SECURE_SSL_REDIRECT = False
METRICS_ADDRESSES = []
atexit.register(shutil.rmtree, MEDIA_ROOT, ignore_errors=True)
STORAGES = {
    "default": {"BACKEND": "upscaler.storage.folder.FolderStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_AUTOREFRESH = True
# One run's, and of all its processes: two checkouts, or two runs in one, use the same PostgreSQL.
TEST_RUN = os.environ.setdefault("UPSCALER_TEST_RUN", str(os.getpid()))
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # In a file, because the tests of races use several connections, and those of an in-memory database do not wait
    # for each other.
    DATABASES["default"]["TEST"] = {"NAME": os.path.join(MEDIA_ROOT, "test.sqlite3")}
    # Killed processes lose nothing by it, and no test cuts the power.
    DATABASES["default"]["OPTIONS"]["init_command"] += "PRAGMA synchronous=OFF;"
else:
    DATABASES["default"]["TEST"] = {"NAME": f"test_upscaler_{TEST_RUN}"}
    # As above.
    DATABASES["default"]["OPTIONS"]["options"] += " -c synchronous_commit=off"
