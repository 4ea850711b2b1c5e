"""Who may read what the desk writes: its own user, and its group at most."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings

from upscaler.models import Upscale

ROOT = Path(__file__).resolve().parents[2]
MAKE = """
import os
os.umask(0)
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django
django.setup()
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("CREATE TABLE IF NOT EXISTS one (number INTEGER)")
    cursor.execute("INSERT INTO one VALUES (1)")
    print(*(oct(os.stat(os.environ["FILE"] + ending).st_mode & 0o777) for ending in ("", "-wal", "-shm")))
"""


@pytest.mark.processes
@pytest.mark.parametrize("before", [None, 0o644])
def test_a_database_in_a_file_is_nobody_else_s(before: int | None, tmp_path: Path) -> None:
    file = tmp_path / "desk.sqlite3"
    if before is not None:
        file.touch(before)
        file.chmod(before)
    environment = os.environ | {"DATABASE_URL": f"sqlite:///{file}", "FILE": str(file), "SECRET_KEY": "for-tests-only"}
    command = [sys.executable, "-c", MAKE]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["0o640"] * 3


def test_pictures_are_nobody_else_s(done: Callable[..., Upscale]) -> None:
    done()
    for path in Path(settings.MEDIA_ROOT).rglob("*/*"):
        assert path.stat().st_mode & 0o027 == 0, path
