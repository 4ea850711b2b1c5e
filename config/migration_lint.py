"""The settings of `make check` for looking at migrations: does one lock a table, or take what the old code needs?

The desk is upgraded while it runs, old and new code side by side. PostgreSQL says what each migration does to it, and
nothing is written there.
"""

import re

from config.environment import BASE_DIR
from config.settings import *
from config.settings import INSTALLED_APPS

FIRST = 33
"""Those before it were applied everywhere before desks were upgraded while they run."""
LEFT = "drops only the index that an interrupted try of its own has left, which nobody uses"
EXCEPTIONS = {
    "0034_index_of_pending": LEFT,
    "0040_index_of_references": LEFT,
    "0042_source_facts": "the table has one row for each step of the engine",
    "0043_webhooks_of_orders": "teams have a handful of webhooks each",
    "0044_months_of_decisions": "both tables came with 0033, in the same release",
    "0046_files_to_be_read": "the table came with 0036, in the same release",
    "0047_orders_webhooks": LEFT,
    "0049_indexes_of_keeping": f"{LEFT}, and one in whose place another stands by then",
    "0051_indexes_of_lists": f"{LEFT}, and two in whose places others stand by then",
}
"""What is looked past, and why that locks nobody out."""

_names = sorted(path.stem for path in (BASE_DIR / "upscaler/migrations").glob("[0-9]*.py"))
INSTALLED_APPS = [*INSTALLED_APPS, "django_migration_linter"]
MIGRATION_LINTER_OPTIONS = {
    "include_apps": ["upscaler"],
    "ignore_name": [name for name in _names if int(re.match(r"\d+", name)[0]) < FIRST or name in EXCEPTIONS],  # type: ignore[index]
    "sql_analyser": "postgresql",
    "warnings_as_errors": True,
    "no_cache": True,
    "quiet": ["ok", "ignore"],
}
