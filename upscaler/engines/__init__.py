"""The engines that do the work, by name."""

from __future__ import annotations

from functools import cache

from upscaler.engines.base import Engine


@cache
def get_engine(name: str) -> Engine:
    """The engine called ``name``; one instance per process.

    Raises LookupError for a name that is not an engine.
    """
    # Here and not above: the local engine's child imports this package too, and must not wait for Django, which the
    # other engine brings along.
    if name == "local":
        from upscaler.engines.local.engine import LocalEngine

        return LocalEngine()
    if name == "uwear":
        from upscaler.engines.uwear.engine import UwearEngine

        return UwearEngine()
    raise LookupError(f"There is no engine called {name!r}. Engines: local, uwear.")
