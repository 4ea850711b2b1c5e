"""What each setting changes, in pictures and numbers.

``python -m bench.settings_gallery`` writes the pictures to docs/pictures/settings and the tables into
docs/engines.md, between its two marks. Look at the pictures and compare the tables before they are committed.

The sources are photographs that scikit-image ships, shrunk, and worn where it says so. Each row compares two results,
in levels of 255, inside the part that the setting speaks of and elsewhere. A margin around it counts for neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter
from skimage import data

from upscaler import upscaling_models
from upscaler.engines.local import faces, job, subject
from upscaler.engines.local.inference import Networks

DOCS = Path(__file__).resolve().parents[1] / "docs"
PICTURES = DOCS / "pictures" / "settings"
PAGE = DOCS / "engines.md"
BEGIN, END = "<!-- tables -->", "<!-- end of tables -->"
SHOWN, GAP = 340, 6
"""Side of each picture of a pair, and the white between them."""
MARGIN = 24
"""Source pixels around a part in which its soft edge and the colour lock may still show."""
RESTORING = "realesrgan-x4plus"

FAITHFUL = {"enhance_model": "High Fidelity V2"}
REBUILT = {"enhance_model": "Low Resolution V2"}

Mask = npt.NDArray[np.bool_]
Box = tuple[int, int, int, int]

FACE: Box = (70, 34, 150, 114)
BESIDE: Box = (50, 45, 180, 175)
CUP: Box = (80, 40, 200, 160)
SEAM: Box = (95, 40, 205, 150)
RIM: Box = (130, 50, 180, 100)


@dataclass(frozen=True)
class Row:
    """A setting and its value, and what the result is compared with."""

    value: str
    source: str
    before: dict[str, Any]
    after: dict[str, Any]
    part: str
    """Where the value should show, as ``inside`` knows it."""
    box: Box
    """What the pair shows, in source pixels."""
    compared: str
    """The left picture, in words."""


def creativity(share: float) -> dict[str, Any]:
    return {"face_enhancement": True, "face_enhancement_creativity": share}


STANDARD = {"enhance_model": "Standard V2"}
BACKGROUND = REBUILT | {"subject_detection": "Background"}
AUTO = REBUILT | {"subject_detection": "Auto"}
OFF = creativity(1) | {"face_enhancement": False}
PLAIN, ROUGH = "High Fidelity V2", "Low Resolution V2"

ROWS = [
    Row("enhance_model: Standard V2", "person", FAITHFUL, STANDARD, "subject", FACE, PLAIN),
    Row("enhance_model: Low Resolution V2", "person", FAITHFUL, REBUILT, "subject", FACE, PLAIN),
    Row("subject_detection: Foreground", "worn scene", FAITHFUL, REBUILT, "subject", BESIDE, PLAIN),
    Row("subject_detection: Background", "worn scene", FAITHFUL, BACKGROUND, "background", BESIDE, PLAIN),
    Row("subject_detection: Auto", "half blurred", FAITHFUL, AUTO, "left half", SEAM, PLAIN),
    Row("face_enhancement: true", "person", FAITHFUL, creativity(0.5), "face", FACE, "face_enhancement: false"),
    Row("face_enhancement: false, creativity 1", "person", FAITHFUL, OFF, "face", FACE, "false, creativity 0.5"),
    Row("face_enhancement: true, no face", "cup", FAITHFUL, creativity(1), "nothing", CUP, "face_enhancement: false"),
    Row("face_enhancement_creativity: 0", "worn person", FAITHFUL, creativity(0), "face", FACE, PLAIN),
    Row("face_enhancement_creativity: 0.5", "worn person", FAITHFUL, creativity(0.5), "face", FACE, PLAIN),
    Row("face_enhancement_creativity: 1", "worn person", FAITHFUL, creativity(1), "face", FACE, PLAIN),
    Row(f"creativity 0 in {ROUGH}", "person", REBUILT, REBUILT | creativity(0), "face", FACE, f"{ROUGH}, no faces"),
]


@cache
def networks() -> Networks:
    return Networks()


@cache
def source(name: str) -> Image.Image:
    """A picture to enlarge."""
    coffee = Image.fromarray(data.coffee())
    if name == "cup":
        return coffee.resize((240, 160), Image.Resampling.BICUBIC)
    if name == "half blurred":
        made = coffee.resize((300, 200), Image.Resampling.BICUBIC)
        made.paste(made.filter(ImageFilter.GaussianBlur(1.5)).crop((0, 0, 150, 200)))
        return made
    left = 130 if name.endswith("scene") else 60
    astronaut = Image.fromarray(data.astronaut()).crop((left, 0, left + 320, 320))
    return astronaut.resize((208, 208), Image.Resampling.BICUBIC)


@cache
def enlarged(name: str, model: str, chosen: tuple[tuple[str, Any], ...]) -> tuple[Image.Image, dict[str, Any]]:
    """The engine's result, and what made it."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "source"
        if name.startswith("worn"):
            source(name).save(path, "JPEG", quality=50)
        else:
            source(name).save(path, "PNG")
        settings = upscaling_models.MODELS[model].defaults | dict(chosen)
        made = job.run(
            path,
            Path(folder),
            model,
            settings,
            networks=networks(),
            report=lambda fraction, text: None,
            result_format="PNG",
        )
        return Image.open(made.path).convert("RGB"), made.provenance


def result(name: str, settings: dict[str, Any], model: str = "topaz") -> tuple[Image.Image, dict[str, Any]]:
    return enlarged(name, model, tuple(sorted(settings.items())))


def inside(name: str, part: str) -> tuple[Mask, Mask]:
    """At source size, what is surely in the part, and what is surely not."""
    pixels = np.asarray(source(name))
    height, width = pixels.shape[:2]
    if part == "nothing":
        share = np.zeros((height, width))
    elif part == "left half":
        share = np.broadcast_to(np.arange(width) < width // 2, (height, width)).astype(float)
    elif part == "face":
        share = np.max([face.ellipse(height, width) for face in faces.find_faces(pixels, networks())], axis=0)
    else:
        mask = subject.mask(pixels, networks())
        share = mask if part == "subject" else 1 - mask
    return share == 1, ~widened(share > 0)


def widened(mask: Mask) -> Mask:
    return np.asarray(Image.fromarray(mask).convert("L").filter(ImageFilter.MaxFilter(2 * MARGIN + 1))) > 0


def difference(one: Image.Image, other: Image.Image, where: Mask) -> str:
    """Mean and largest difference there, in levels of 255."""
    levels = np.abs(np.asarray(one, float) - np.asarray(other, float)).max(axis=2)
    factor = levels.shape[0] // where.shape[0]
    chosen = levels[where.repeat(factor, axis=0).repeat(factor, axis=1)]
    return f"{chosen.mean():.2f} (at most {chosen.max():.0f})" if chosen.size else "–"


def decibels(one: Image.Image, other: Image.Image) -> float:
    error = ((np.asarray(one, float) - np.asarray(other, float)) ** 2).mean()
    return float(10 * np.log10(255**2 / error))


def write_pair(title: str, left: Image.Image, right: Image.Image, box: Box, width: int) -> str:
    """Two crops side by side, as a file. Gives the Markdown that shows it."""
    pair = Image.new("RGB", (2 * SHOWN + GAP, SHOWN), "white")
    for number, shown in enumerate((left, right)):
        factor = shown.width / width
        part = shown.crop(tuple(round(edge * factor) for edge in box)).resize((SHOWN, SHOWN), Image.Resampling.LANCZOS)
        pair.paste(part, (number * (SHOWN + GAP), 0))
    name = "".join(letter if letter.isalnum() else "-" for letter in title.lower()).replace("--", "-") + ".jpg"
    pair.save(PICTURES / name, "JPEG", quality=84, optimize=True)
    return f"![{title}](pictures/settings/{name})"


def line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def ran(made: dict[str, Any]) -> str:
    return "ran" if RESTORING in made["networks"] else "not run"


def changes() -> list[str]:
    """The table of everything but the factor."""
    person = source("person")
    faithful, made = result("person", FAITHFUL)
    recraft, _ = result("person", {}, "recraft")
    title = f"enhance_model: {PLAIN}"
    lines = [
        line("value", "compared with (left)", "pair", "changed in its part", "elsewhere", "restoring network"),
        line(*["---"] * 6),
        line(
            title,
            "in numbers recraft, in the picture bicubic",
            write_pair(title, person.resize(faithful.size, Image.Resampling.BICUBIC), faithful, FACE, person.width),
            f"picture: {difference(faithful, recraft, np.ones(person.size[::-1], bool))}",
            "–",
            ran(made),
        ),
    ]
    for row in ROWS:
        (before, _), (after, made) = result(row.source, row.before), result(row.source, row.after)
        part, elsewhere = inside(row.source, row.part)
        lines.append(
            line(
                row.value,
                row.compared,
                write_pair(row.value, before, after, row.box, source(row.source).width),
                f"{row.part}: {difference(before, after, part)}",
                difference(before, after, elsewhere),
                ran(made),
            )
        )
    return lines


def sizes() -> list[str]:
    """The table of the factors."""
    cup = source("cup")
    lines = [
        line("value", "pair: the source's pixels, the result", "source", "result", "result shrunk back to the source"),
        line(*["---"] * 5),
    ]
    for factor in (2, 4, 6):
        title = f"upscale_factor: {factor}x"
        larger, _ = result("cup", FAITHFUL | {"upscale_factor": f"{factor}x"})
        pixels = cup.resize((cup.width * 12, cup.height * 12), Image.Resampling.NEAREST)
        lines.append(
            line(
                title,
                write_pair(title, pixels, larger, RIM, cup.width),
                f"{cup.width} × {cup.height}",
                f"{larger.width} × {larger.height}",
                f"{decibels(larger.resize(cup.size, Image.Resampling.BICUBIC), cup):.1f} dB",
            )
        )
    return lines


def main() -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    tables = "\n".join([*changes(), "", *sizes()])
    before, _, rest = PAGE.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{tables}\n{END}{after}")
    print(tables)


if __name__ == "__main__":
    main()
