"""What this machine's processor can do, and may."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

WITHHELD = {
    **dict.fromkeys(("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2"), ("avx512", "amx")),
    **dict.fromkeys(("AVX512_CORE", "AVX512_CORE_VNNI"), ("avx512_bf16", "avx512_fp16", "amx")),
    **dict.fromkeys(("AVX512_CORE_BF16", "AVX512_CORE_FP16", "AVX10_1_512"), ("amx",)),
}
"""By the value of ONEDNN_MAX_CPU_ISA, how the names of the instructions begin that oneDNN then leaves alone.

OpenVINO's list of capabilities knows nothing of it: with AVX2 it still names bf16, in which DAT then can not
be compiled (seen with 2026.4).
"""

NEWEST = ("amx_bf16", "avx512_bf16", "avx512f", "avx2")
"""What decides how fast networks are, the newest first."""


def instructions() -> frozenset[str]:
    """The sets of instructions that the networks may use, as Linux names them; none where there is no such list."""
    return frozenset(name for name in _flags() if not is_withheld(name))


def is_withheld(name: str) -> bool:
    """Whether the environment keeps the networks from instructions of that name."""
    return name.startswith(WITHHELD.get(os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper(), ()))


def name() -> str:
    """What the processor is called, with the newest of its ``NEWEST`` instructions: machines of one name may differ."""
    newest = next((word for word in NEWEST if word in instructions()), "")
    return f"{_line('model name') or platform.machine()} {newest}".strip()[:100]


@cache
def _flags() -> tuple[str, ...]:
    return tuple(_line("flags").split())


def _line(name: str) -> str:
    """What Linux says of the first core under a name; nothing where it says none."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")
