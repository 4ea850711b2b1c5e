"""What each test needs, decided here by rules, so that no new test can be forgotten.

A test that is marked ``database`` is run once more in PostgreSQL by `make test`: every test that uses the database,
except in the rooms of ``NOT_ABOUT_THE_DATABASE``. A new room is in by itself.
"""

from __future__ import annotations

from typing import Any

import pytest

NOT_ABOUT_THE_DATABASE = (
    # What the vendor's host answers, and what its client makes of that.
    "tests/engines/",
    # Picture files.
    "tests/imaging/",
    # Where the pictures lie.
    "tests/storage/",
)
"""Rooms that only keep their rows somewhere. Their tests of races and transactions count all the same."""


def is_about_the_database(item: pytest.Item) -> bool:
    fixtures = set(getattr(item, "fixturenames", ()))
    marker = item.get_closest_marker("django_db")
    if "transactional_db" in fixtures or (marker and (marker.kwargs.get("transaction") or any(marker.args))):
        return True
    if "db" not in fixtures and marker is None:
        return False
    return not item.nodeid.startswith(NOT_ABOUT_THE_DATABASE)


def group_of(nodeid: str) -> str:
    """Tests of one group are run by one process, one after the other, since they share something slow to start.

    These are the whole desk of each queue, the desks of one module, and the warm child of the local engine. Any other
    test is a group of its own.
    """
    path, _, name = nodeid.partition("::")
    if path.startswith(("tests/browser/", "tests/live_server/")):
        modes = [mode for mode in ("embedded", "cluster") if mode in name.partition("[")[2]]
        return f"desk {modes[0]}" if modes else path
    return "engine" if path.startswith("tests/engines/local/") else nodeid


# Before pytest's own hook, which picks by the mark.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if is_about_the_database(item):
            item.add_marker("database")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """By these groups, the largest first. (xdist's own groups by marks are without effect since pytest 9.2.)"""
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return ByGroup(config, log) if config.getoption("dist") == "load" else None
