"""A process that locks a row and falls silent, as one does whose machine has lost its power or its line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import connection

from tests.conftest import Person
from tests.support.live_server import ROOT
from upscaler.models import Upscale

HOLD = """
import sys
import django
django.setup()
from django.db import transaction
from upscaler.models import Team
with transaction.atomic():
    Team.objects.select_for_update().get(slug="{slug}")
    print("held", flush=True)
    sys.stdin.read()
"""

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def silent_holder(slug: str) -> Iterator[None]:
    """Somewhere a process that will never be heard of again has locked the team's row."""
    known = connection.settings_dict
    address = f"{known['HOST'] or '127.0.0.1'}:{known['PORT'] or 5432}"
    url = f"postgres://{known['USER']}:{known['PASSWORD']}@{address}/{known['NAME']}"
    settings = {"DJANGO_SETTINGS_MODULE": "config.settings", "DATABASE_URL": url, "TRANSACTION_IDLE_SECONDS": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", HOLD.format(slug=slug)],
        cwd=ROOT,
        env={**os.environ, **settings},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        try:
            assert holder.stdout is not None and holder.stdout.readline() == "held\n"
            holder.send_signal(signal.SIGSTOP)
            yield
        finally:
            holder.kill()


def test_the_team_can_order_on(owner: Person, order: Callable[..., Upscale]) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("of PostgreSQL's sessions: `python -m tests.on_postgres` runs it")
    with silent_holder(owner.team.slug):
        with connection.cursor() as cursor:
            # So that it fails, and does not hang, where nobody ends that session.
            cursor.execute("SET lock_timeout = '30s'")
        order()
    assert owner.balance == 99


def test_a_line_on_which_nothing_comes_is_asked_for_a_sign_of_life(db: None) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("of PostgreSQL's lines: `python -m tests.on_postgres` runs it")
    connection.ensure_connection()
    assert connection.connection is not None
    ours = connection.connection.info.get_parameters()
    assert (ours["keepalives_idle"], ours["tcp_user_timeout"], ours["connect_timeout"]) == ("30", "60000", "10")
    with connection.cursor() as cursor:
        # One that loses its power is no reason to keep its session for hours, or there is none left for others.
        cursor.execute("SELECT current_setting('tcp_keepalives_idle'), current_setting('tcp_user_timeout')")
        assert cursor.fetchone() == ("30", "60000")
