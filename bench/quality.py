"""Likeness to the truth, against bicubic and Lanczos: photographs are shrunk, enlarged again and compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from bench import enlarging, photographs
from bench.photographs import PHOTOGRAPHS, Photograph
from bench.report import progress, table, verdict
from upscaler.upscaling_models import HIGH_FIDELITY_V2, LOW_RESOLUTION_V2, STANDARD_V2, TOPAZ

Bytes = npt.NDArray[np.uint8]
SHORT = {HIGH_FIDELITY_V2: "High", STANDARD_V2: "Standard", LOW_RESOLUTION_V2: "Low"}


@dataclass(frozen=True)
class Case:
    """One kind of source and what is done with it."""

    factor: int
    worn: bool
    enhance_model: str
    rival: str = "bicubic"
    goal: float | None = None
    """PSNR in dB over the rival, at least."""
    part: str | None = None
    """``subject_detection``; None for the whole picture."""

    @property
    def title(self) -> str:
        return self._titled(self.enhance_model)

    @property
    def short(self) -> str:
        return self._titled(SHORT[self.enhance_model])

    def _titled(self, enhance_model: str) -> str:
        part = f", {self.part}" if self.part else ""
        return f"{self.factor}x {'worn' if self.worn else 'clean'}, {enhance_model}{part}"

    def source(self, photograph: Photograph) -> Image.Image:
        made = photographs.worn_source if self.worn else photographs.clean_source
        return made(photograph, self.factor)


CASES = (
    Case(2, False, HIGH_FIDELITY_V2, goal=3),
    Case(4, False, HIGH_FIDELITY_V2, goal=2),
    Case(6, False, HIGH_FIDELITY_V2),
    Case(4, False, STANDARD_V2),
    Case(4, False, LOW_RESOLUTION_V2),
    Case(4, True, HIGH_FIDELITY_V2, rival="Lanczos"),
    Case(4, True, STANDARD_V2, rival="Lanczos"),
    Case(4, True, LOW_RESOLUTION_V2, rival="Lanczos", goal=1.3),
    Case(4, True, LOW_RESOLUTION_V2, rival="Lanczos", part="Foreground"),
    Case(4, True, LOW_RESOLUTION_V2, rival="Lanczos", part="Auto"),
)
RIVALS = {"bicubic": Image.Resampling.BICUBIC, "Lanczos": Image.Resampling.LANCZOS}
Score = tuple[float, float]
"""PSNR in dB and SSIM."""


def run() -> str:
    """All cases on all photographs."""
    scores: dict[Case, dict[str, dict[Photograph, Score]]] = {}
    with enlarging.engine() as engine:
        # case by case: pictures of one size follow one another and share compiled networks
        for case in CASES:
            progress(case.title)
            made: dict[str, dict[Photograph, Score]] = {name: {} for name in (*RIVALS, "engine")}
            for photograph in PHOTOGRAPHS:
                source, truth = case.source(photograph), np.asarray(photographs.truth(photograph))
                for name, kernel in RIVALS.items():
                    made[name][photograph] = _score(truth, _resampled(source, case.factor, kernel))
                chosen = {"upscale_factor": f"{case.factor}x", "enhance_model": case.enhance_model}
                if case.part:
                    chosen["subject_detection"] = case.part
                made["engine"][photograph] = _score(truth, enlarging.enlarge(engine, source, TOPAZ, **chosen))
            scores[case] = made
    sizes = f"at most {photographs.MAX_SIDE} × {photographs.MAX_SIDE} pixels"
    return "\n".join(
        [
            photographs.listed(),
            "",
            f"Each is cut to {sizes}, shrunk (Pillow, bicubic with antialiasing), enlarged by topaz and compared with "
            f"the cut: all pixels, RGB. *Worn* sources are also blurred (sigma {photographs.BLUR}) and saved at JPEG "
            f"quality {photographs.JPEG_QUALITY}. Detail is rebuilt in the whole picture, unless the row says what "
            "subject_detection is. Bicubic and Lanczos are Pillow's. Means of all photographs:",
            "",
            _means(scores),
            "",
            "### PSNR in dB of each photograph, and what was gained over the rival",
            "",
            _each(scores, 0, "{:.1f}", "{:+.1f}"),
            "",
            "### SSIM of each photograph, and what was gained over the rival",
            "",
            _each(scores, 1, "{:.3f}", "{:+.3f}"),
        ]
    )


def _resampled(source: Image.Image, factor: int, kernel: Image.Resampling) -> Bytes:
    size = source.width * factor, source.height * factor
    return np.asarray(source.convert("RGB").resize(size, kernel))


def _score(truth: Bytes, result: Bytes) -> Score:
    return (
        float(peak_signal_noise_ratio(truth, result, data_range=255)),
        float(structural_similarity(truth, result, channel_axis=2, data_range=255)),
    )


def _mean(scores: dict[Photograph, Score], which: int) -> float:
    return float(np.mean([score[which] for score in scores.values()]))


def _means(scores: dict[Case, dict[str, dict[Photograph, Score]]]) -> str:
    rows = []
    for case, made in scores.items():
        psnr, ssim = ({name: _mean(scored, which) for name, scored in made.items()} for which in (0, 1))
        gain = psnr["engine"] - psnr[case.rival]
        rows.append(
            [
                case.title,
                *(f"{psnr[name]:.2f}, {ssim[name]:.3f}" for name in made),
                f"{gain:+.2f} dB over {case.rival}",
                "" if case.goal is None else f"{case.goal:+g} dB: {verdict(gain, case.goal)}",
            ]
        )
    return table(["PSNR dB, SSIM", "bicubic", "Lanczos", "this engine", "gain", "goal"], rows)


def _each(scores: dict[Case, dict[str, dict[Photograph, Score]]], which: int, value: str, gain: str) -> str:
    rows = []
    for photograph in PHOTOGRAPHS:
        cells = []
        for case, made in scores.items():
            own, rival = made["engine"][photograph][which], made[case.rival][photograph][which]
            cells.append(f"{value.format(own)} ({gain.format(own - rival)})")
        rows.append([photograph.name, *cells])
    return table(["", *(case.short for case in scores)], rows)
