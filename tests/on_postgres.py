"""``python -m tests.on_postgres``: tests once more, in PostgreSQL, where it answers.

Those that are about the database (tests/support/selection.py); with ``--all`` every one that uses it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg

from tests.support import services_available

ABOUT_THE_DATABASE = "database and not processes and not engine"
ALL = "not processes and (database or not engine)"
NO_DATABASE = ("tests/engines/local", "tests/imaging", "tests/training")
"""What need not even be loaded to find the tests that are about the database: no test in there is."""


def remove_left_databases() -> None:
    """Those of runs that were killed: their names end in a process that is gone."""
    with psycopg.connect(services_available.POSTGRES_URL, autocommit=True) as connection:
        for (name,) in connection.execute("SELECT datname FROM pg_database").fetchall():
            run = re.fullmatch(r"test_upscaler_(\d+)(_gw\d+)?", name)
            if run and not Path(f"/proc/{run[1]}").exists():
                connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


if __name__ == "__main__":
    if not services_available.postgres():
        print("!!! PostgreSQL does not answer, so nothing was tested in it !!!", flush=True)
        sys.exit(1 if services_available.CI else 0)
    remove_left_databases()
    arguments = sys.argv[1:]
    which = ALL if "--all" in arguments else ABOUT_THE_DATABASE
    # What the networks make is the same whatever database it is noted in.
    environment = {**os.environ, "TEST_DATABASE_URL": services_available.POSTGRES_URL, "QUICK_ENGINE": "1"}
    command = [sys.executable, "-m", "pytest", "-m", which]
    left_out = ("tests/browser", "tests/live_server", *(() if which == ALL else NO_DATABASE))
    command += [f"--ignore={room}" for room in left_out]
    command += [argument for argument in arguments if argument != "--all"]
    sys.exit(subprocess.run(command, env=environment, check=False).returncode)
