"""The local engine: real networks on this machine's processor. ``engine.py`` is the way in."""

import sys

# OpenVINO reports its own import to its makers: it writes an identifier to the home folder, and a process that it forks
# asks Google Analytics (openvino/tools/ovc/__init__.py, 2026.4; off only where CI is set or a person has opted out).
# Pictures and their desk are nobody else's business, and the fork, made from a thread, hung for good with our pipes in
# its hands. OpenVINO falls back to silence where that package can't be imported.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
