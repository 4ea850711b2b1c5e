"""The engines that do the work, by name.

No Django and no engine is imported with the package: the local engine's child process has no use for the first, and
each engine has heavy libraries of its own.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module

from upscaler.engines.base import Engine

ENGINES = {
    "local": "upscaler.engines.local.engine.from_settings",
    "uwear": "upscaler.engines.uwear.engine.UwearEngine",
    "fit": "upscaler.engines.fit.FitEngine",
}
"""What makes each, without arguments. The last one is no desk's choice: it takes what is large enough as it is."""


@cache
def get_engine(name: str) -> Engine:
    """The engine called ``name``, set up as the settings say; one instance per process.

    Raises LookupError for a name that is not an engine.
    """
    if name not in ENGINES:
        raise LookupError(f"There is no engine called {name!r}. Engines: {', '.join(ENGINES)}.")
    module, _, maker = ENGINES[name].rpartition(".")
    # Here and not above: the local engine's child imports this package too, and must not wait for Django, which the
    # engines bring along.
    engine: Engine = getattr(import_module(module), maker)()
    return engine
