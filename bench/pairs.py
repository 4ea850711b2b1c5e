"""Pictures of what an earlier engine made of a source, beside what this one makes of it.

``make bench PART=pairs`` writes them to docs/pictures/pairs, the earlier one on the left. ``python -m bench.pairs
FOLDER`` writes them to a folder as PNGs, in an order that chance decides, and beside the folder a file that tells it:
for eyes that should not know. The earlier engine is taken from this repository's own history.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageFilter
from skimage.metrics import peak_signal_noise_ratio

from bench import enlarging, photographs
from bench.report import progress, table
from upscaler.engines.local import subject
from upscaler.engines.local.inference import Networks
from upscaler.upscaling_models import LOW_RESOLUTION_V2, RECRAFT, TOPAZ

ROOT = Path(__file__).resolve().parents[1]
EARLIER = "119c2fa25e"
"""The last commit whose engine has the networks of version 1 alone: CUNet, photo and x4plus."""
PICTURES = ROOT / "docs" / "pictures" / "pairs"
FACTOR, SIDE, GAP = 4, 240, 6
"""Of each result a square is shown, SIDE pixels a side, and GAP white ones between the two."""
QUALITY = 88
"""Of the WebP files."""

Kind = Literal["small", "worn", "cut-out"]


@dataclass(frozen=True)
class Pair:
    """One source, and which part of its results is shown."""

    name: str
    photograph: str
    kind: Kind
    """Shrunk alone, or also blurred and a coarse JPEG, or with a transparent surrounding."""
    left: int
    top: int

    @property
    def box(self) -> tuple[int, int, int, int]:
        return self.left, self.top, self.left + SIDE, self.top + SIDE


PAIRS = (
    Pair("fabric-coats", "bus", "small", 0, 150),
    Pair("fabric-uniform", "hopper", "small", 264, 264),
    Pair("label-patch", "astronaut", "small", 90, 260),
    Pair("label-mug", "mug", "worn", 0, 180),
    Pair("face", "hopper", "small", 130, 90),
    Pair("face-worn", "zidane", "worn", 120, 90),
    Pair("cut-out-cup", "coffee", "cut-out", 110, 0),
    Pair("cut-out-person", "astronaut", "cut-out", 100, 0),
    Pair("jpeg-street", "bus", "worn", 0, 150),
    Pair("jpeg-cup", "coffee", "worn", 110, 0),
    Pair("jpeg-portrait", "astronaut", "worn", 100, 20),
)

ENLARGE = """
import json, sys
from pathlib import Path
from upscaler.engines.local import job
try:
    from upscaler.engines.local.inference import Networks
except ImportError:
    # Earlier results are made by the code of their day.
    from upscaler.engines.local.networks import Networks
networks = Networks()
for source, folder, model, settings in json.load(sys.stdin):
    job.run(Path(source), Path(folder), model, settings, networks=networks, report=lambda fraction, text: None,
            result_format="PNG")
"""
"""Run in the folder of either engine."""


@dataclass(frozen=True)
class Made:
    """A pair's three pictures, SIDE x SIDE, cut-outs on white."""

    truth: Image.Image
    earlier: Image.Image
    now: Image.Image

    def nearness(self, picture: Image.Image) -> float:
        """PSNR to the truth in dB."""
        return float(peak_signal_noise_ratio(np.asarray(self.truth), np.asarray(picture), data_range=255))


def run() -> str:
    """All pairs, as files for the docs and a table."""
    made = _made()
    if made is None:
        return f"The commit {EARLIER} is not in this clone of the repository; `git fetch --unshallow` fetches it."
    PICTURES.mkdir(parents=True, exist_ok=True)
    rows = []
    for pair, pictures in made.items():
        _beside(pictures.earlier, pictures.now).save(PICTURES / f"{pair.name}.webp", quality=QUALITY, method=6)
        earlier, now = pictures.nearness(pictures.earlier), pictures.nearness(pictures.now)
        rows.append(
            [pair.name, pair.photograph, _order(pair.kind), f"{earlier:.2f}", f"{now:.2f}", f"{now - earlier:+.2f}"]
        )
    return "\n".join(
        [
            f"Sources are photographs shrunk to a quarter (*worn*: then blurred by {photographs.BLUR} and saved at "
            f"JPEG quality {photographs.JPEG_QUALITY}; *cut-out*: by averaging, with an alpha channel), enlarged "
            f"{FACTOR}x by the engine before it had DAT-light and SRMD (commit {EARLIER}) and by today's. PSNR in dB "
            "of the part that [the pictures](../docs/engines.md#earlier-and-today-side-by-side) show:",
            "",
            table(["", "photograph", "source, order", "earlier", "today", "gain"], rows),
        ]
    )


def main() -> None:
    """Pairs for eyes that should not know which is which."""
    parser = argparse.ArgumentParser(prog="python -m bench.pairs", description=main.__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    made = _made()
    if made is None:
        parser.error(f"the commit {EARLIER} is not in this clone")
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.SystemRandom()
    key = {}
    for number, (pair, pictures) in enumerate(chance.sample(list(made.items()), len(made)), 1):
        swapped = chance.random() < 0.5
        left, right = (pictures.now, pictures.earlier) if swapped else (pictures.earlier, pictures.now)
        _beside(left, right).save(folder / f"{number:02}.png")
        key[f"{number:02}"] = {"pair": pair.name, "left": "today" if swapped else "earlier"}
    folder.with_name(f"{folder.name}_key.json").write_text(json.dumps(key, indent=1))


def _made() -> dict[Pair, Made] | None:
    """None where the earlier engine is not in this clone."""
    with TemporaryDirectory() as folder, _earlier_engine(Path(folder, "engine")) as earlier:
        if earlier is None:
            return None
        networks = Networks()
        truths = {}
        orders: dict[str, list[list[Any]]] = {"earlier": [], "now": []}
        for pair in PAIRS:
            truth, source, ending = _source(pair, networks)
            truths[pair] = truth
            for which, asked in orders.items():
                place = Path(folder, which, pair.name)
                place.mkdir(parents=True)
                path = place / f"source.{ending}"
                path.write_bytes(source)
                asked.append([str(path), str(place), *_settings(pair.kind)])
        for which, engine in (("earlier", earlier), ("now", ROOT)):
            progress(f"{len(PAIRS)} pictures, the engine of {which}")
            subprocess.run(
                [sys.executable, "-c", ENLARGE], cwd=engine, input=json.dumps(orders[which]), text=True, check=True
            )
        return {
            pair: Made(
                *(
                    _on_white(picture).crop(pair.box)
                    for picture in (truth, *(Image.open(Path(folder, which, pair.name, "result")) for which in orders))
                )
            )
            for pair, truth in truths.items()
        }


@contextmanager
def _earlier_engine(folder: Path) -> Iterator[Path | None]:
    """The repository as it was at ``EARLIER``; None where the clone does not reach back so far."""
    archive = subprocess.run(["git", "archive", EARLIER, "upscaler"], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        yield None
        return
    folder.mkdir()
    subprocess.run(["tar", "-x"], cwd=folder, input=archive.stdout, check=True)
    yield folder


def _settings(kind: Kind) -> tuple[str, dict[str, Any]]:
    if kind == "worn":
        asked = {"upscale_factor": f"{FACTOR}x", "enhance_model": LOW_RESOLUTION_V2, "face_enhancement": False}
        return TOPAZ, enlarging.settings(TOPAZ, **asked)
    return RECRAFT, enlarging.settings(RECRAFT)


def _order(kind: Kind) -> str:
    return f"{kind}, " + ("Low Resolution V2" if kind == "worn" else "recraft")


def _source(pair: Pair, networks: Networks) -> tuple[Image.Image, bytes, str]:
    """The truth, the source's file and its ending."""
    photograph = photographs.named(pair.photograph)
    truth, buffer = photographs.truth(photograph), io.BytesIO()
    if pair.kind == "worn":
        photographs.worn_source(photograph, FACTOR).save(buffer, "JPEG", quality="keep")
        return truth, buffer.getvalue(), "jpg"
    if pair.kind == "small":
        source = photographs.clean_source(photograph, FACTOR)
    else:
        outline = Image.fromarray(subject.mask(np.asarray(truth), networks) >= np.float32(0.5)).convert("L")
        truth = truth.copy()
        truth.putalpha(outline.filter(ImageFilter.GaussianBlur(1)))
        size = truth.width // FACTOR, truth.height // FACTOR
        source = truth.resize(size, Image.Resampling.BOX)
    source.save(buffer, "PNG")
    return truth, buffer.getvalue(), "png"


def _on_white(picture: Image.Image) -> Image.Image:
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture.convert("RGBA")).convert("RGB")


def _beside(left: Image.Image, right: Image.Image) -> Image.Image:
    sheet = Image.new("RGB", (2 * SIDE + GAP, SIDE), "white")
    sheet.paste(left, (0, 0))
    sheet.paste(right, (SIDE + GAP, 0))
    return sheet


if __name__ == "__main__":
    main()
