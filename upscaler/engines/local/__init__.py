"""The local engine: real networks on this machine's processor. ``engine.py`` is the way in."""

import sys

# OpenVINO reports its own import to its makers, from a process that it forks for that. It falls back to silence where
# that package can't be imported; pictures and their desk are nobody else's business.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
