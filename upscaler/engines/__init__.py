"""The engines that do the work, by name.

No Django and no engine is imported with the package: the local engine's child process has no use for the first, and
each engine has heavy libraries of its own.
"""

from __future__ import annotations

import os
from functools import cache

from upscaler.engines.base import Engine


@cache
def get_engine(name: str) -> Engine:
    """The engine called ``name``, set up as the settings say; one instance per process.

    Raises LookupError for a name that is not an engine.
    """
    from django.conf import settings

    if name == "local":
        from upscaler.engines.local.engine import LocalEngine

        return LocalEngine(
            threads=settings.LOCAL_THREADS or cores_of_a_slot(settings.CPU_SLOTS),
            precision=settings.LOCAL_PRECISION,
            time_limit=settings.LOCAL_TIME_LIMIT,
        )
    if name == "uwear":
        from upscaler.engines.uwear.engine import UwearEngine

        return UwearEngine()
    raise LookupError(f"There is no engine called {name!r}. Engines: local, uwear.")


def cores_of_a_slot(slots: int) -> int:
    """How many cores each of ``slots`` workers gets: several that take all of them would only hold each other up."""
    return max(1, len(os.sched_getaffinity(0)) // slots)
