"""What each test needs, decided here by rules, so that no new test can be forgotten.

A test that is marked ``database`` is run once more in PostgreSQL by `make test`: every test that uses the database,
except in the rooms of ``NOT_ABOUT_THE_DATABASE``. A new room is in by itself.
"""

from __future__ import annotations

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


def group_of(item: pytest.Item) -> str | None:
    """Tests of one group are run by one process, one after the other, since they share something slow to start.

    These are the whole desk of each queue, the desks of a module, and the warm child of the local engine.
    """
    if item.get_closest_marker("processes"):
        callspec = getattr(item, "callspec", None)
        mode = callspec.params.get("desk") if callspec else None
        return f"desk-{mode}" if mode else item.nodeid.partition("::")[0]
    return "engine" if item.get_closest_marker("engine") else None


# Before pytest's own, which picks by these marks, and xdist's, which reads the groups.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if is_about_the_database(item):
            item.add_marker("database")
        if group := group_of(item):
            item.add_marker(pytest.mark.xdist_group(group))
