"""The pictures that the fidelity check is measured with: photographs as a shop's order brings them, with a care label
and a button on each, and what the local engine makes of them, which is kept on disk."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from bench import enlarging, labels, photographs
from bench.photographs import OUT, PHOTOGRAPHS, Photograph, named
from bench.report import progress
from upscaler.upscaling_models import HIGH_FIDELITY_V2, LOW_RESOLUTION_V2, RECRAFT, STANDARD_V2, TOPAZ

Bytes = npt.NDArray[np.uint8]
Box = tuple[int, int, int, int]
"""left, top, right, bottom, in pixels of the source."""

FOLDER = OUT / "fidelity"
"""Where results and what was measured of them are kept: `make clean` removes it, and all is made anew."""
SIDE = 200
"""Pixels of a source's sides: all of one size, so that the engine compiles each network once."""
JPEG_QUALITY = 85
ORDERS: dict[str, tuple[str, int, dict[str, str]]] = {
    "recraft, 4x": (RECRAFT, 4, {}),
    "High Fidelity V2, 2x": (TOPAZ, 2, {"enhance_model": HIGH_FIDELITY_V2, "upscale_factor": "2x"}),
    "Standard V2, 4x": (TOPAZ, 4, {"enhance_model": STANDARD_V2, "upscale_factor": "4x"}),
    "Low Resolution V2, 4x": (TOPAZ, 4, {"enhance_model": LOW_RESOLUTION_V2, "upscale_factor": "4x"}),
}
"""What is ordered: the model, its factor and its settings."""

RESTORED = 8
"""Photographs of either half that the restoring network, which is slow, is also asked to enlarge."""
RESTORING = ("Standard V2, 4x", "Low Resolution V2, 4x")
"""Its orders: of all photographs they are also asked for a cut that is small enough for a slow machine."""
CUT = 96
"""Pixels of such a cut's sides."""
CHOSEN = (
    *map(named, ("astronaut", "bus", "zidane", "coffee", "mug", "rocket", "china", "wall")),
    Photograph("left man", "ultralytics", "assets/zidane.jpg", "a man in a jacket", shrunk=2, focus=(0.75, 0.0)),
    Photograph("cheetah", "gradio", "images/cheetah.jpg", "a cheetah running"),
    Photograph("lion", "gradio", "images/lion.jpg", "a lion"),
    Photograph("mask", "insightface", "images/mask_blue.jpg", "a pleated mask", focus=(0.5, 0.5)),
    Photograph("fountain", "pyiqa", "frame_4wrwr48cdk6rbcjl.jpg", "a garden", focus=(0.5, 0.6)),
    Photograph("brick", "scikit_image", "data/brick.png", "bricks"),
    Photograph("camera", "scikit_image", "data/camera.png", "a man in a coat", focus=(0.4, 0.2)),
    Photograph("dahlia", "scikit_learn", "images/flower.jpg", "a dahlia, cut elsewhere", focus=(0.2, 0.9)),
)
"""The photographs that thresholds are chosen on."""
HELD_OUT = (
    *map(named, ("hopper", "motorcycle", "chelsea", "quokka", "city")),
    Photograph("friends", "insightface", "images/t1.jpg", "people at a table", focus=(0.0, 0.3)),
    Photograph("more friends", "insightface", "images/t1.jpg", "people at a table", focus=(1.0, 0.1)),
    Photograph("all friends", "insightface", "images/t1.jpg", "people at a table", shrunk=2, focus=(0.5, 0.2)),
    Photograph("cheetah's face", "gradio", "images/cheetah1.jpg", "a cheetah's face"),
    Photograph("cub", "gradio", "test_data/cheetah2.jpg", "a cub cut out"),
    Photograph("tower", "gradio", "images/tower.jpg", "a tower at night", focus=(0.5, 0.4)),
    Photograph("sunset", "pyiqa", "frame_7gzdcz9sif0ekg31.jpg", "a person at the sea", focus=(0.8, 1.0)),
    Photograph("traffic", "pyiqa", "frame_9ogwhvvy7gfj6jzh.jpg", "cars in snow", focus=(0.2, 0.9)),
    Photograph("grass", "scikit_image", "data/grass.png", "grass"),
    Photograph("gravel", "scikit_image", "data/gravel.png", "gravel"),
    Photograph("coins", "scikit_image", "data/coins.png", "coins"),
)
"""Those that no threshold has seen; cuts of one photograph are never in both."""
FACES = {"astronaut", "zidane", "left man", "hopper", "friends", "more friends", "all friends"}
"""Photographs with faces large enough to be told apart."""

LABEL = ((18, "NORD 1926"), (13, "PURE LINEN 55"), (10, "MACHINE WASH 30"))
"""Lines of the label that is sewn onto each source: height of the font in pixels, and text."""
LETTERS = ("NURD 1926", "PURE LIKEN 55", "MACHINE WASK 30")
"""The same with one letter changed in each."""
BUTTON = 14
"""Diameter of the button, in pixels."""


@dataclass(frozen=True)
class Source:
    """One picture as it is ordered."""

    photograph: Photograph
    picture: Image.Image
    """RGB; a JPEG where it is handed over as one."""
    redrawn: tuple[Image.Image, ...]
    """The same with one letter of one line of the label changed."""
    lines: tuple[Box, ...]
    """Where the lines of the label are."""
    bare: Image.Image
    """The same without label and button."""
    label: Box
    button: Box


@cache
def source(photograph: Photograph) -> Source:
    """The photograph, shrunk where it is large, with a label and a button on it."""
    whole = photographs.whole(photograph)
    number = [*CHOSEN, *HELD_OUT].index(photograph)
    times = min(2, min(whole.size) // SIDE)
    width = height = SIDE * times
    left = int((whole.width - width) * photograph.focus[0])
    top = int((whole.height - height) * photograph.focus[1])
    cut = whole.crop((left, top, left + width, top + height))
    bare = cut.resize((width // times, height // times), Image.Resampling.BICUBIC)
    corner = _plainest(bare)
    drawn, lines, label = _labelled(bare, corner, tuple(text for _, text in LABEL), number)
    button = (bare.width - BUTTON - 8, bare.height // 3, bare.width - 8, bare.height // 3 + BUTTON)
    redrawn = []
    for changed in range(len(LABEL)):
        texts = tuple(LETTERS[at] if at == changed else text for at, (_, text) in enumerate(LABEL))
        redrawn.append(_buttoned(_labelled(bare, corner, texts, number)[0], button))
    picture = _buttoned(drawn, button)
    if number % 3 == 1:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=JPEG_QUALITY)
        picture = Image.open(buffer)
    return Source(photograph, picture, tuple(redrawn), lines, bare, label, button)


def _plainest(bare: Image.Image) -> tuple[int, int]:
    """The lower corner where the label hides least."""
    pixels = np.asarray(bare.convert("L"), np.float32)
    half = bare.width // 2
    left, right = pixels[-70:, :half].std(), pixels[-70:, half:].std()
    return (6 if left < right else bare.width - 128, bare.height - 66)


def _labelled(
    bare: Image.Image, corner: tuple[int, int], texts: tuple[str, ...], number: int
) -> tuple[Image.Image, tuple[Box, ...], Box]:
    times = 4
    width, height = 122, 60
    ground, ink = (((244, 242, 236), (28, 28, 34)), ((36, 40, 70), (232, 228, 216)))[number % 2]
    sheet = Image.new("RGB", (width * times, height * times), ground)
    draw = ImageDraw.Draw(sheet)
    lines, top = [], 4
    for (size, _), text in zip(LABEL, texts, strict=True):
        face = labels.font(labels.FONTS[number % 3], size * times)
        draw.text((6 * times, top * times), text, font=face, fill=ink)
        upper, lower = (round(at / times) for at in draw.textbbox((0, top * times), text, font=face)[1::2])
        lines.append((corner[0], corner[1] + upper - 1, corner[0] + width, corner[1] + lower + 1))
        top += round(size * 1.2) + 3
    shown = bare.copy()
    shown.paste(sheet.resize((width, height), Image.Resampling.BOX), corner)
    return shown, tuple(lines), (corner[0], corner[1], corner[0] + width, corner[1] + height)


def _buttoned(picture: Image.Image, box: Box) -> Image.Image:
    times = 8
    side = BUTTON * times
    disc = Image.new("RGBA", (side, side))
    draw = ImageDraw.Draw(disc)
    draw.ellipse((0, 0, side - 1, side - 1), fill=(206, 196, 178, 255), outline=(70, 60, 50, 255), width=times)
    for across in (0.36, 0.64):
        for down in (0.36, 0.64):
            x, y = across * side, down * side
            draw.ellipse((x - times, y - times, x + times, y + times), fill=(50, 44, 40, 255))
    disc = disc.resize((BUTTON, BUTTON), Image.Resampling.BOX)
    shown = picture.copy()
    shown.paste(disc, box[:2], disc)
    return shown


def digest(picture: Image.Image) -> str:
    """What tells a picture's pixels from others."""
    return hashlib.sha256(np.asarray(picture).tobytes()).hexdigest()[:12]


def orders(photograph: Photograph) -> tuple[str, ...]:
    """What is ordered of a photograph."""
    half = CHOSEN if photograph in CHOSEN else HELD_OUT
    return tuple(ORDERS) if half.index(photograph) < RESTORED else tuple(ORDERS)[:2]


def results(photograph: Photograph) -> dict[str, Path]:
    """By order, the file of what the local engine makes of the photograph's source; made where it is missing."""
    return _results(source(photograph).picture, orders(photograph), photograph.name)


def cut(photograph: Photograph) -> Image.Image:
    """The middle of the photograph, without label and button, RGB."""
    bare = source(photograph).bare.convert("RGB")
    left, top = (bare.width - CUT) // 2, (bare.height - CUT) // 2
    return bare.crop((left, top, left + CUT, top + CUT))


def restored(photograph: Photograph) -> dict[str, Path]:
    """`results` of the photograph's `cut`, of the orders that the restoring network takes."""
    return _results(cut(photograph), RESTORING, f"a cut of {photograph.name}")


def _results(given: Image.Image, ordered: tuple[str, ...], name: str) -> dict[str, Path]:
    FOLDER.mkdir(parents=True, exist_ok=True)
    stem = digest(given.convert("RGB"))
    paths = {order: FOLDER / f"{stem}-{''.join(filter(str.isalnum, order))}.png" for order in ordered}
    missing = {order: path for order, path in paths.items() if not path.exists()}
    if missing:
        progress(f"enlarging {name}")
        for order, path in missing.items():
            model, _, settings = ORDERS[order]
            # Written whole or not at all: the next run takes it for finished.
            made = path.with_suffix(".part")
            Image.fromarray(enlarging.enlarge(_engine(), given, model, **settings)).save(made, "PNG")
            made.rename(path)
    return paths


@cache
def _engine() -> enlarging.LocalEngine:
    # One thread: on a busy machine two would wait for one another.
    return enlarging.LocalEngine(threads=1, cache_dir=OUT / "compiled")


def close() -> None:
    """End the engine, if it was needed."""
    if _engine.cache_info().currsize:
        _engine().close()
        _engine.cache_clear()


__all__ = ["CHOSEN", "FACES", "HELD_OUT", "ORDERS", "PHOTOGRAPHS", "Source", "results", "source"]
