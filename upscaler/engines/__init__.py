"""The engines that do the work, by name."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from upscaler.engines.base import Engine

ENGINES = {
    "local": "upscaler.engines.local.engine.LocalEngine",
    "uwear": "upscaler.engines.uwear.engine.UwearEngine",
}
"""Where the class of each is."""


@cache
def get_engine(name: str) -> Engine:
    """The engine called ``name``; one instance per process.

    Raises LookupError for a name that is not an engine.
    """
    if name not in ENGINES:
        raise LookupError(f"There is no engine called {name!r}. Engines: {', '.join(ENGINES)}.")
    module, _, class_name = ENGINES[name].rpartition(".")
    # Here and not above: the local engine's child imports this package too, and must not wait for Django, which the
    # other engine brings along.
    engine: Engine = getattr(import_module(module), class_name)()
    return engine
