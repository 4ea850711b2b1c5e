"""Print and weaves: what the restoring network would do to them, and what is left of that where they are found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import numpy as np
import numpy.typing as npt
from PIL import Image

from bench import enlarging, labels, photographs, weaves
from bench.photographs import PHOTOGRAPHS
from bench.report import progress, table
from upscaler.engines.local import job, strength_map, text_map, weave
from upscaler.engines.local.inference import Networks
from upscaler.fidelity.recogniser import Recogniser
from upscaler.imaging.samples import Floats
from upscaler.upscaling_models import HIGH_FIDELITY_V2, LOW_RESOLUTION_V2, TOPAZ

Bytes = npt.NDArray[np.uint8]

CLOTH = 128
"""Side of a woven source, in pixels."""
NOISE = 6
"""Sigma of the noise on woven sources, in levels of 255."""
WAYS = ("bicubic", "High Fidelity V2", "Low Resolution V2, not held back", "Low Resolution V2")


def run() -> str:
    """Drawn labels and weaves, and how much of real photographs is taken for either."""
    networks, recogniser = Networks(), Recogniser()
    read = []
    for label in labels.LABELS:
        progress(label.name)
        truth, lines = labels.drawn(label)
        made = _ways(labels.source(label), networks)
        shares = [labels.share_read(pixels, lines, recogniser) for pixels in (np.asarray(truth), *made)]
        read.append([label.name, *(f"{share:.1%}" for share in shares)])
    woven = []
    for name in weaves.WEAVES:
        progress(name)
        cloth = weaves.drawn(name, CLOTH * labels.FACTOR, weaves.PERIODS[1] * labels.FACTOR)
        made = _ways(_noisy(cloth.resize((CLOTH, CLOTH), Image.Resampling.BOX)), networks)
        woven.append([name, *(f"{weaves.kept(np.asarray(cloth), pixels):.2f}" for pixels in made)])
    sizes = f"{labels.HEIGHTS[0]} to {labels.HEIGHTS[-1]} pixels"
    return "\n".join(
        [
            f"Labels of {len(labels.HEIGHTS)} lines in {len(labels.FONTS)} fonts of {sizes}, drawn, shrunk by 4 and "
            f"enlarged again; worn ones were blurred (sigma {labels.WEAR[1]}) and saved at JPEG quality "
            f"{labels.WEAR[0]}. The share of characters that PP-OCRv6's tiny recogniser still reads:",
            "",
            table(["", "as drawn", *WAYS], read),
            "",
            "### Weaves",
            "",
            f"Drawn cloth that begins anew every {weaves.PERIODS[1]} source pixels, under noise of sigma {NOISE}. "
            "Contrast of the weave's own frequencies in the right phase: 1 is the truth's, more is exaggerated.",
            "",
            table(["", *WAYS], woven),
            "",
            "### What is held back on photographs",
            "",
            "Shares of a picture that are taken for print or a weave, rightly (the mug's print, rows of windows) or "
            "not: of the cuts as they are, shrunk by 4, and shrunk by 2 and worn.",
            "",
            _held(networks),
        ]
    )


def _ways(source: Image.Image, networks: Networks) -> list[Bytes]:
    size = source.width * labels.FACTOR, source.height * labels.FACTOR
    bicubic = np.asarray(source.convert("RGB").resize(size, Image.Resampling.BICUBIC))
    faithful = _enlarged(source, HIGH_FIDELITY_V2, networks)
    with _nothing_held_back():
        free = _enlarged(source, LOW_RESOLUTION_V2, networks)
    return [bicubic, faithful, free, _enlarged(source, LOW_RESOLUTION_V2, networks)]


def _enlarged(source: Image.Image, enhance_model: str, networks: Networks) -> Bytes:
    settings = enlarging.settings(TOPAZ, upscale_factor=f"{labels.FACTOR}x", enhance_model=enhance_model)
    with TemporaryDirectory() as folder:
        path = Path(folder, "source")
        source.save(path, source.format or "PNG", **({"quality": "keep"} if source.format == "JPEG" else {}))
        made = job.run(
            path,
            Path(folder),
            TOPAZ,
            settings,
            networks=networks,
            report=lambda fraction, text: None,
            result_format="PNG",
        )
        with Image.open(made.path) as result:
            return np.asarray(result.convert("RGB"))


@contextmanager
def _nothing_held_back() -> Iterator[None]:
    """The engine without eyes for print and weaves."""

    def nothing(source: object, share: Floats, *further: object) -> tuple[Floats, Floats]:
        return np.zeros_like(share), np.zeros_like(share)

    with mock.patch.object(strength_map, "_spared", nothing):
        yield


def _noisy(cloth: Image.Image) -> Image.Image:
    pixels = np.asarray(cloth, np.float64)
    noise = np.random.default_rng(0).normal(0, NOISE, pixels.shape)
    return Image.fromarray((pixels + noise).clip(0, 255).round().astype(np.uint8))


def _held(networks: Networks) -> str:
    rows, everything = [], []
    for photograph in PHOTOGRAPHS:
        cells = []
        for source in (
            photographs.truth(photograph),
            photographs.clean_source(photograph, 4),
            photographs.worn_source(photograph, 2).convert("RGB"),
        ):
            pixels = np.asarray(source)
            found = text_map.find_text(pixels, lambda rows, columns: True, networks), weave.find_weave(pixels)
            cells += [100 * float(part.mean()) for part in found]
        everything.append(cells)
        rows.append([photograph.name, *(f"{cell:.1f}%" for cell in cells)])
    means = np.mean(everything, axis=0)
    rows.append(["mean", *(f"{cell:.1f}%" for cell in means)])
    head = [f"{kind}, {what}" for kind in ("as it is", "small", "worn") for what in ("print", "weave")]
    return table(["", *head], rows)
