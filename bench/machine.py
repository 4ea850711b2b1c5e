"""The machine that the figures belong to."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.report import table

INSTRUCTIONS = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
"""Those that decide how fast a network runs, as the kernel names them."""
PACKAGES = ("openvino", "numpy", "pillow", "ncnn", "onnxruntime", "scikit-image")


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0))


def described() -> str:
    """Processor, memory, system and versions, as a table."""
    found = flags()
    memory = int(_field("/proc/meminfo", "MemTotal").split()[0]) / 1024**2
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    family, model = _field("/proc/cpuinfo", "cpu family"), _field("/proc/cpuinfo", "model")
    return table(
        ["machine", ""],
        [
            ["processor", f"{_field('/proc/cpuinfo', 'model name')} (family {family}, model {model}), {cores()} cores"],
            ["instructions", ", ".join(name for name in INSTRUCTIONS if name in found) or "none of note"],
            ["without", ", ".join(name for name in INSTRUCTIONS if name not in found) or "none of note"],
            ["memory", f"{memory:.0f} GB"],
            ["system", f"{system}, Linux {platform.release()}, Python {platform.python_version()}"],
            ["packages", ", ".join(f"{name} {_version(name)}" for name in PACKAGES)],
        ],
    )


def flags() -> set[str]:
    """The processor's instructions, as the kernel names them."""
    return set(_field("/proc/cpuinfo", "flags").split())


def load() -> float:
    """How many processes wanted to run in the last minute, on average."""
    return os.getloadavg()[0]


def _field(file: str, name: str) -> str:
    """The first value of that name in one of the kernel's lists; empty where there is none."""
    for line in Path(file).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
