"""Where the networks work: on the processor, or on a GPU that has to be there."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import openvino as ov
import pytest
from django.core.checks import Error

from upscaler import engines
from upscaler.engines.local import processor
from upscaler.engines.local.engine import LocalEngine
from upscaler.engines.local.inference import Networks
from upscaler.health import checks

pytestmark = pytest.mark.engine
no_gpu = pytest.mark.skipif(
    any(device.startswith("GPU") for device in ov.Core().available_devices), reason="there is a GPU here"
)


@no_gpu
def test_a_gpu_that_is_not_there_ends_the_start_with_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "get_engine", lambda name: LocalEngine(device="GPU"))
    (found,) = checks.engine_is_there()
    assert isinstance(found, Error)
    assert found.id == "upscaler.E001"
    assert "finds no Intel GPU here. It finds: CPU (" in found.msg
    assert "set LOCAL_DEVICE=CPU" in found.msg
    assert found.hint is None


def test_the_settings_choose_the_device(settings: Any) -> None:
    settings.LOCAL_DEVICE = "GPU"
    engines.get_engine.cache_clear()
    try:
        made = engines.get_engine("local")
        assert isinstance(made, LocalEngine)
        assert made.device == "GPU"
    finally:
        engines.get_engine.cache_clear()


@pytest.mark.parametrize(("most", "worked"), [("AVX2", "f32"), ("AVX512_CORE", "f32"), ("", "bf16"), ("ALL", "bf16")])
def test_what_the_environment_withholds_is_not_worked_with(
    most: str, worked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", most)
    monkeypatch.setattr(processor, "_flags", lambda: ("avx2", "avx512f", "avx512_bf16", "amx_bf16"))

    class Able:
        def get_property(self, device: str, name: str) -> list[str]:
            return ["FP32", "BF16"]

    networks = Networks()
    networks._core = Able()  # type: ignore[assignment]
    assert networks.precision == worked
    assert ("amx_bf16" in processor.instructions()) == (worked == "bf16")


def test_a_gpu_works_in_f16_and_gets_no_options_of_a_processor() -> None:
    networks = Networks(device="GPU")
    assert networks.precision == "f16"
    assert networks._options("f16") == {"INFERENCE_PRECISION_HINT": "f16", "PERFORMANCE_HINT": "LATENCY"}
    assert Networks(device="GPU", precision="f32").precision == "f32"


@pytest.mark.processes
@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"LOCAL_DEVICE": "NPU"}, "LOCAL_DEVICE is 'NPU'. It must be one of: CPU, GPU."),
        ({"LOCAL_DEVICE": "GPU", "LOCAL_PRECISION": "bf16"}, "no GPU works in here"),
    ],
)
def test_a_wrong_device_is_refused_with_a_sentence(chosen: dict[str, str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import config.settings"], env=os.environ | chosen, capture_output=True, text=True
    )
    assert done.returncode
    assert said in done.stderr
