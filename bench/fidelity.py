"""What must not change: the picture at the source's size, white backgrounds, tile borders, and the precision."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from skimage.metrics import peak_signal_noise_ratio

from bench import enlarging, photographs
from bench.photographs import named
from bench.report import progress, table, verdict
from upscaler.engines.local.engine import LocalEngine
from upscaler.upscaling_models import HIGH_FIDELITY_V2, LOW_RESOLUTION_V2, RECRAFT, STANDARD_V2, TOPAZ

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

SHRUNK_PSNR, SHRUNK_COLOUR = 55, 0.3
WHITE = 0.999
"""The share of white that must stay white."""
NEAR = (0, 1, 4)
"""Source pixels from the product that may count as its edge."""
CUT_OUT = 252
"""Pixels of a cut-out's side."""
SEAM = 2.0
SEAM_PHOTOGRAPH = "mug"
"""The largest of the photographs that is no coarse JPEG."""
SEAM_SHIFT, SEAM_EDGE = 100, 40
"""Source pixels by which the second picture is cut shorter, and from its rim that are not compared."""
PRECISION_PSNR = 50
Order = tuple[str, str, dict[str, str]]


def _topaz(enhance_model: str, factor: int) -> Order:
    return f"{enhance_model}, {factor}x", TOPAZ, {"enhance_model": enhance_model, "upscale_factor": f"{factor}x"}


FAITHFUL: tuple[Order, ...] = tuple(_topaz(HIGH_FIDELITY_V2, n) for n in (2, 4, 6))
"""Those that the goals are set for. At 4x it is what recraft makes."""
KERNELS = (Image.Resampling.BICUBIC, Image.Resampling.LANCZOS, Image.Resampling.BOX)
MIXED = (_topaz(STANDARD_V2, 4), _topaz(LOW_RESOLUTION_V2, 4))
SAMPLED: tuple[Order, ...] = (FAITHFUL[0], ("recraft, 4x", RECRAFT, {}), MIXED[1])
SAMPLE = tuple(named(name) for name in ("astronaut", "hopper", "mug", "motorcycle", "chelsea", "china"))
"""Of fourteen: all of them would take a quarter of an hour."""
PRECISION_PHOTOGRAPHS = ("astronaut", "coffee", "china")


def run() -> str:
    """All four."""
    with enlarging.engine() as engine:
        lines = [
            "### Shrunk back",
            "",
            "Clean sources as under Quality, but shrunk in the way that the row names. The result is shrunk to the "
            "source's size the same way and compared. PSNR: the mean of six photographs, and the lowest. Colour: how "
            "far a channel's mean moved, the most on any photograph. Pixel: the largest difference anywhere. Averaged: "
            "the mean PSNR where the result is shrunk by averaging squares, however its source was made.",
            "",
            _shrunk_back(engine),
            "",
            "### White stays white",
            "",
            f"Ovals cut from {len(SAMPLE)} photographs, with soft edges, on white. Of the result's pixels whose "
            "source pixel is pure white: how many are exactly 255 in all channels; then of those only that are some "
            f"source pixels away from the oval. Sources have {CUT_OUT} × {CUT_OUT} pixels: a larger picture has less "
            "edge for its area, and a larger share.",
            "",
            _white(engine),
            "",
            "### Seams",
            "",
            f"A photograph of several tiles ({SEAM_PHOTOGRAPH}), and the same without its first {SEAM_SHIFT} rows and "
            "columns, so that its tiles meet elsewhere. Where both show the same, their difference should be smooth: "
            "the largest step is that of the row or column across which it changes most, on average along that line; "
            "inside is the median of all lines. In levels of 255.",
            "",
            _seams(engine),
            "",
        ]
        lines += ["### bf16 against f32", "", _precision(engine)]
    return "\n".join(lines)


def _shrunk_back(engine: LocalEngine) -> str:
    rows = []
    orders = [(order, kernel) for order in FAITHFUL for kernel in KERNELS]
    orders += [(order, Image.Resampling.BICUBIC) for order in MIXED]
    for order, kernel in orders:
        title, model, chosen = order
        title = f"{title}, {kernel.name.lower()}"
        progress(f"shrunk back: {title}")
        psnrs, averaged, colours, pixels = [], [], [], []
        for photograph in SAMPLE:
            factor = _factor(chosen)
            source = photographs.clean_source(photograph, factor, kernel)
            result = enlarging.enlarge(engine, source, model, **chosen)
            error = _shrunk(result, source.size, kernel) - np.asarray(source, np.float64)
            psnrs.append(_decibels(error))
            averaged.append(_decibels(_shrunk(result, source.size, Image.Resampling.BOX) - np.asarray(source)))
            colours.append(np.abs(error.mean(axis=(0, 1))).max())
            pixels.append(np.abs(error).max())
        goal = ""
        if order in FAITHFUL:
            goal = (
                f"{SHRUNK_PSNR} dB: {verdict(float(np.mean(psnrs)), SHRUNK_PSNR)}; "
                f"{SHRUNK_COLOUR}: {verdict(max(colours), SHRUNK_COLOUR, at_most=True)}"
            )
        psnr = f"{np.mean(psnrs):.1f}, {min(psnrs):.1f}"
        rows.append([title, psnr, f"{max(colours):.2f}", f"{max(pixels):.1f}", f"{np.mean(averaged):.1f}", goal])
    return table(["", "PSNR dB, mean and lowest", "colour", "pixel", "averaged", "goal"], rows)


def _white(engine: LocalEngine) -> str:
    rows = []
    for title, model, chosen in (*FAITHFUL, *MIXED):
        factor = _factor(chosen)
        kept = dict.fromkeys(NEAR, 0)
        total = dict.fromkeys(NEAR, 0)
        for source in _cut_outs():
            result = enlarging.enlarge(engine, source, model, **chosen)
            white = (np.asarray(source) == 255).all(axis=2)
            stays = (result == 255).all(axis=2)
            for near in NEAR:
                large = _eroded(white, near).repeat(factor, 0).repeat(factor, 1)
                kept[near] += int(stays[large].sum())
                total[near] += int(large.sum())
        shares = [kept[near] / total[near] for near in NEAR]
        goal = f"{WHITE:.1%}: {verdict(100 * shares[0], 100 * WHITE)}"
        rows.append([title, *(f"{share:.3%}" for share in shares), goal])
    return table(["", "all of the white", *(f"over {near} px away" for near in NEAR[1:]), "goal, for all"], rows)


def _cut_outs() -> Iterator[Image.Image]:
    """Photographs cut to an oval with a soft edge on white: small products as shops show them."""
    large = CUT_OUT * 4
    mask = Image.new("L", (large, large))
    ImageDraw.Draw(mask).ellipse((large // 6, large // 10, large - large // 6, large - large // 10), fill=255)
    mask = mask.resize((CUT_OUT, CUT_OUT), Image.Resampling.BOX)
    for photograph in SAMPLE:
        sheet = Image.new("RGB", mask.size, "white")
        sheet.paste(photographs.truth(photograph).resize(mask.size, Image.Resampling.BICUBIC), mask=mask)
        yield sheet


def _eroded(area: npt.NDArray[np.bool_], by: int) -> npt.NDArray[np.bool_]:
    """Those of an area that are more than ``by`` pixels away from anything else, squarely."""
    rims = np.pad(area, by, constant_values=True)
    for axis in (0, 1):
        rims = np.lib.stride_tricks.sliding_window_view(rims, 2 * by + 1, axis).all(axis=-1)
    return rims


def _seams(engine: LocalEngine) -> str:
    rows = []
    for title, model, chosen in SAMPLED:
        factor = _factor(chosen)
        side = 592 if factor == 2 else 448
        picture = photographs.whole(named(SEAM_PHOTOGRAPH)).crop((0, 0, side, side))
        cut = picture.crop((SEAM_SHIFT, SEAM_SHIFT, side, side))
        whole, part = (enlarging.enlarge(engine, source, model, **chosen) for source in (picture, cut))
        shift, edge = SEAM_SHIFT * factor, SEAM_EDGE * factor
        both = whole[shift:, shift:][edge:-edge, edge:-edge], part[edge:-edge, edge:-edge]
        difference = both[0].astype(np.float64) - both[1]
        steps = np.concatenate([np.abs(np.diff(difference, axis=axis)).mean(axis=(1 - axis, 2)) for axis in (0, 1)])
        rows.append(
            [
                f"{title}, {side} × {side}",
                f"{steps.max():.2f}",
                f"{np.median(steps):.2f}",
                f"{np.abs(difference).max():.0f}",
                f"under {SEAM:g}: {verdict(float(steps.max()), SEAM, at_most=True)}",
            ]
        )
    return table(["", "largest step", "inside", "largest difference", "goal"], rows)


def _precision(engine: LocalEngine) -> str:
    rows = []
    pictures = [photographs.clean_source(named(name), 4) for name in PRECISION_PHOTOGRAPHS]
    with enlarging.engine("f32") as exact:
        for title, model, chosen in SAMPLED:
            psnrs = []
            for picture in pictures:
                ours, reference = (enlarging.enlarge(by, picture, model, **chosen) for by in (engine, exact))
                if np.array_equal(ours, reference):
                    return "This machine works in f32."
                psnrs.append(peak_signal_noise_ratio(reference, ours, data_range=255))
            goal = f"{PRECISION_PSNR} dB: {verdict(min(psnrs), PRECISION_PSNR)}"
            rows.append([title, *(f"{psnr:.1f}" for psnr in psnrs), goal])
    return "Whole results, in PSNR dB.\n\n" + table(["", *PRECISION_PHOTOGRAPHS, "goal"], rows)


def _factor(chosen: dict[str, str]) -> int:
    return int(chosen.get("upscale_factor", "4x").removesuffix("x"))


def _shrunk(picture: Bytes, size: tuple[int, int], kernel: Image.Resampling) -> Floats:
    """In floating point numbers: with 8-bit ones, Pillow rounds twice, which alone costs all above 51 dB at 2x."""
    planes = [Image.fromarray(plane.astype(np.float32)).resize(size, kernel) for plane in picture.transpose(2, 0, 1)]
    return np.stack([np.asarray(plane, np.float64) for plane in planes], axis=2).clip(0, 255)


def _decibels(error: Floats) -> float:
    """At most 100: the error of an exact match has no logarithm."""
    return float(min(100.0, 10 * np.log10(255**2 / max(np.mean(error**2), 1e-12))))
