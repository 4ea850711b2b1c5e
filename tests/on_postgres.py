"""``python -m tests.on_postgres``: the tests that touch the database once more, in PostgreSQL, where it answers."""

from __future__ import annotations

import os
import subprocess
import sys

from tests import parts

if __name__ == "__main__":
    if not parts.postgres():
        print("!!! PostgreSQL does not answer, so nothing was tested in it !!!", flush=True)
        sys.exit(1 if parts.CI else 0)
    environment = {**os.environ, "TEST_DATABASE_URL": parts.POSTGRES_URL}
    command = [sys.executable, "-m", "pytest", "-m", "not processes and not engine", "--ignore=tests/browser"]
    sys.exit(subprocess.run([*command, *sys.argv[1:]], env=environment, check=False).returncode)
