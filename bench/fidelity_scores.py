"""Every result, faithful and altered, measured by the fidelity check; kept on disk, since it takes some minutes."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from bench import fidelity_pictures as pictures
from bench.alterations import ALTERATIONS, Result
from bench.photographs import Photograph
from bench.report import progress
from upscaler.fidelity import measure, verdict
from upscaler.imaging import reducing
from upscaler.imaging.reducing import Reduced

EVERYONE = (*pictures.CHOSEN, *pictures.HELD_OUT)
Row = dict[str, Any]
Case = tuple[str, str, int, Image.Image]
"""Kind (an order, another way, an alteration), the order that it was made from, strength from 0, and the picture."""


def cases(photograph: Photograph) -> Iterator[Case]:
    """All results of a photograph."""
    source, number = pictures.source(photograph), EVERYONE.index(photograph)
    orders = pictures.orders(photograph)
    made = {order: _opened(path) for order, path in pictures.results(photograph).items()}
    for order, picture in made.items():
        yield order, order, 0, picture
    plain = source.picture.convert("RGB")
    for way, picture in other_ways(plain, made[orders[0]]).items():
        yield way, way, 0, picture
    for at, (kind, (altered, strengths, _)) in enumerate(ALTERATIONS.items()):
        order = orders[(number + at) % len(orders)]
        factor = pictures.ORDERS[order][1]
        for strength, value in enumerate(strengths):
            picture = altered(Result(source, made[order], factor, number), value)
            if picture is not None:
                yield kind, order, strength, picture


def other_ways(source: Image.Image, result: Image.Image) -> dict[str, Image.Image]:
    """What others may do and be faithful all the same."""
    size = result.size
    wide = Image.fromarray(np.pad(np.asarray(result), [(4, 4), (4, 4), (0, 0)], mode="edge"))
    moved = (1, 0, 6.0, 0, 1, 2.5)
    return {
        "Lanczos, 4x": source.resize(size, Image.Resampling.LANCZOS),
        "bilinear, 4x": source.resize(size, Image.Resampling.BILINEAR),
        "recraft, moved by half a pixel": wide.transform(size, Image.Transform.AFFINE, moved, Image.Resampling.BICUBIC),
        "recraft, slightly sharpened": result.filter(ImageFilter.UnsharpMask(2, 60, 0)),
        "recraft, noise taken out": result.filter(ImageFilter.MedianFilter(3)),
    }


def _opened(path: Path) -> Image.Image:
    with Image.open(path) as file:
        return file.convert("RGB")


def scored(photograph: Photograph) -> list[Row]:
    """What the check measures on each of a photograph's results; kept on disk as long as the source is the same."""
    given = pictures.source(photograph).picture.convert("RGB")
    kept = pictures.FOLDER / f"{pictures.digest(given)}.json"
    if kept.exists():
        rows: list[Row] = json.loads(kept.read_text())
        return rows
    progress(f"checking {photograph.name}")
    rows = []
    source = measure.looked_at(_reduced(given, None))
    side = max(source.picture.rgb.shape[:2])
    for kind, order, strength, picture in cases(photograph):
        found = verdict.numbers(measure.compare(source, _reduced(picture, side)))
        rows.append({"photograph": photograph.name, "kind": kind, "order": order, "strength": strength} | found)
    kept.write_text(json.dumps(rows, indent=0))
    return rows


def scored_cuts(photograph: Photograph) -> list[Row]:
    """The same of what the restoring network makes of the photograph's small cut: faithful results alone."""
    given = pictures.cut(photograph)
    kept = pictures.FOLDER / f"{pictures.digest(given)}.json"
    if kept.exists():
        rows: list[Row] = json.loads(kept.read_text())
        return rows
    source = measure.looked_at(_reduced(given, None))
    rows = []
    for order, path in pictures.restored(photograph).items():
        found = verdict.numbers(measure.compare(source, _reduced(_opened(path), max(given.size))))
        rows.append({"photograph": photograph.name, "kind": order, "order": order, "strength": 0} | found)
    kept.write_text(json.dumps(rows, indent=0))
    return rows


def _reduced(picture: Image.Image, side: int | None) -> Reduced:
    """As a file is read, without the file."""
    file = io.BytesIO()
    picture.save(file, "PPM")
    file.seek(0)
    return reducing.reduce(file, Image.open(file), side=side, max_area=measure.MAX_AREA)
