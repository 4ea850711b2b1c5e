"""OpenVINO, without its telemetry. Everything here takes it from this module.

``import openvino`` alone writes an identifier to the home folder, counts the import and sends it to Google Analytics
from a forked process, unless a person has opted out or ``CI`` is set (openvino/tools/ovc/__init__.py and
openvino_telemetry/backend/backend_ga4.py, 2026.4 and 2025.2). Nothing is to leave this machine unasked; and the fork,
made from a thread while others hold locks, hung for good and kept the parent's pipes open. Without that package
OpenVINO falls back to an empty stand-in of its own.
"""

from __future__ import annotations

import sys
from typing import Any, cast

# None in this table makes an import fail as if the package were not installed.
cast(dict[str, Any], sys.modules)["openvino_telemetry"] = None

import openvino as ov  # noqa: E402
from openvino import opset13 as ops  # noqa: E402

__all__ = ["ops", "ov"]
