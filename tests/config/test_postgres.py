"""What the desk asks of its lines to PostgreSQL. tests/ordering/test_frozen_sessions.py tries what comes of it."""

from __future__ import annotations

import pytest

from config import postgres


def test_what_the_address_gives_comes_first() -> None:
    found = postgres.options({"sslmode": "require", "connect_timeout": 3, "options": "-c search_path=desk"})
    assert (found["sslmode"], found["connect_timeout"]) == ("require", 3)
    # The later one counts, and the others stay.
    assert found["options"].endswith("-c search_path=desk")
    assert "-c idle_in_transaction_session_timeout=60000" in found["options"]
    assert found["keepalives_idle"] == 30


def test_a_session_that_falls_silent_in_a_transaction_is_ended() -> None:
    assert "-c idle_in_transaction_session_timeout=60000" in postgres.options({})["options"]


def test_nothing_is_asked_of_a_pool_that_lets_nothing_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "TRANSACTION_IDLE_SECONDS", 0)
    assert postgres.options({})["options"] == ""
