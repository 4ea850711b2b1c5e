"""``python -m tests.on_postgres``: the tests that touch the database once more, in PostgreSQL, where it answers."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.support import services_available

if __name__ == "__main__":
    if not services_available.postgres():
        print("!!! PostgreSQL does not answer, so nothing was tested in it !!!", flush=True)
        sys.exit(1 if services_available.CI else 0)
    environment = {**os.environ, "TEST_DATABASE_URL": services_available.POSTGRES_URL}
    command = [sys.executable, "-m", "pytest", "-m", "not processes and not engine", "--ignore=tests/browser"]
    sys.exit(subprocess.run([*command, *sys.argv[1:]], env=environment, check=False).returncode)
