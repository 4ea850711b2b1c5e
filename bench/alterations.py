"""What a model might do to a product, planted on results that are faithful: each kind in three strengths."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from bench import fidelity_pictures as pictures
from bench.fidelity_pictures import Box, Source
from bench.photographs import Photograph
from upscaler.engines.local import subject
from upscaler.engines.local.faces import Face, find_faces
from upscaler.engines.local.inference import Networks

Floats = npt.NDArray[np.float32]
LANCZOS = Image.Resampling.LANCZOS
_networks = Networks()


@dataclass(frozen=True)
class Result:
    """A faithful result, and what is known of it."""

    source: Source
    picture: Image.Image
    factor: int
    number: int
    """The photograph's, so that not all are altered the same way."""

    def box(self, box: Box) -> Box:
        """In pixels of the result."""
        left, top, right, bottom = (at * self.factor for at in box)
        return left, top, right, bottom


Alteration = Callable[[Result, float], Image.Image | None]
"""None where a picture has nothing to be altered so."""


def _array(picture: Image.Image) -> Floats:
    return np.asarray(picture, np.float32)


def _image(values: Floats) -> Image.Image:
    return Image.fromarray(values.clip(0, 255).round().astype(np.uint8))


def _blend(one: Image.Image, other: Image.Image, mask: Floats) -> Image.Image:
    """``other`` where ``mask``, (height, width), is 1."""
    share = mask[..., None]
    return _image(_array(one) * (1 - share) + _array(other) * share)


def _ellipse(size: tuple[int, int], box: Box, softness: float) -> Floats:
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).ellipse(box, fill=255)
    return _array(mask.filter(ImageFilter.GaussianBlur(softness))) / 255


def _shifted(picture: Image.Image, delta: float, number: int) -> Image.Image:
    """Moved in Lab by ``delta`` in a direction that the number gives, lightness kept."""
    lab = np.asarray(_lab(picture), np.float32)
    angle = 2 * np.pi * (number * 0.381966)
    lab[..., 1] += delta * np.cos(angle)
    lab[..., 2] += delta * np.sin(angle)
    return _rgb(lab)


def _lab(picture: Image.Image) -> Floats:
    import pyvips

    image = pyvips.Image.new_from_array(np.asarray(picture), interpretation="srgb").colourspace("lab")
    found: Floats = image.numpy().astype(np.float32)
    return found


def _rgb(lab: Floats) -> Image.Image:
    import pyvips

    image = pyvips.Image.new_from_array(lab.astype(np.float32)).copy(interpretation="lab").colourspace("srgb")
    return Image.fromarray(image.numpy())


def garment_colour(result: Result, strength: float) -> Image.Image:
    """One region of a quarter of the picture in another colour."""
    width, height = result.picture.size
    box = (round(0.22 * width), round(0.2 * height), round(0.75 * width), round(0.75 * height))
    mask = _ellipse(result.picture.size, box, 1.0 * result.factor)
    return _blend(result.picture, _shifted(result.picture, strength, result.number), mask)


def all_colour(result: Result, strength: float) -> Image.Image:
    """The whole picture in another white balance."""
    return _shifted(result.picture, strength, result.number)


def logo_erased(result: Result, strength: float) -> Image.Image:
    """The largest line of the label painted over with the label's own ground."""
    box = result.box(result.source.lines[0])
    part = result.picture.crop(box)
    ground = np.median(_array(part).reshape(-1, 3), axis=0)
    return _pasted(result.picture, Image.new("RGB", part.size, tuple(int(at) for at in ground)), box, strength)


def logo_redrawn(result: Result, strength: float) -> Image.Image:
    """The largest line bent up and down, by ``strength`` pixels of the source."""
    box = result.box(result.source.lines[0])
    part = np.asarray(result.picture.crop(box))
    height, width = part.shape[:2]
    reach = strength * result.factor
    period = 14 * result.factor
    moved = (reach * np.sin(2 * np.pi * np.arange(width) / period)).round().astype(int)
    rows = (np.arange(height)[:, None] - moved[None, :]).clip(0, height - 1)
    return _pasted(result.picture, Image.fromarray(part[rows, np.arange(width)[None, :]]), box, 1)


def letter_changed(result: Result, strength: float) -> Image.Image:
    """One letter of a line; ``strength`` is the line's number, 2 the smallest print and 0 the largest."""
    number = int(strength)
    box = result.source.lines[number]
    redrawn = result.source.redrawn[number].resize(result.picture.size, LANCZOS)
    return _pasted(result.picture, redrawn.crop(result.box(box)), result.box(box), 1)


def button_removed(result: Result, strength: float) -> Image.Image:
    """The button faded out into what was behind it."""
    left, top, right, bottom = result.source.button
    box = result.box((left - 1, top - 1, right + 1, bottom + 1))
    bare = result.source.bare.resize(result.picture.size, LANCZOS)
    return _pasted(result.picture, bare.crop(box), box, strength)


def weave_smoothed(result: Result, strength: float) -> Image.Image:
    """The part with the most texture blurred, by ``strength`` pixels of the source."""
    mask = _ellipse(result.picture.size, _textured(result), 2.0 * result.factor)
    blurred = result.picture.filter(ImageFilter.GaussianBlur(strength * result.factor))
    return _blend(result.picture, blurred, mask)


def pattern_scaled(result: Result, strength: float) -> Image.Image:
    """The same part larger by ``strength``."""
    box = _textured(result)
    left, top, right, bottom = box
    x, y = (left + right) / 2, (top + bottom) / 2
    zoom = 1 / (1 + strength)
    data = (zoom, 0, x * (1 - zoom), 0, zoom, y * (1 - zoom))
    larger = result.picture.transform(result.picture.size, Image.Transform.AFFINE, data, Image.Resampling.BICUBIC)
    return _blend(result.picture, larger, _ellipse(result.picture.size, box, 2.0 * result.factor))


def face_replaced(result: Result, strength: float) -> Image.Image | None:
    """Another person's features, in the light and the colours of the face."""
    face = _face(result)
    if face is None:
        return None
    others = [one for one in [*pictures.CHOSEN, *pictures.HELD_OUT] if one.name in pictures.FACES]
    for step in range(1, len(others) + 1):
        other = others[(result.number + step) % len(others)]
        if other.path == result.source.photograph.path and other.focus == result.source.photograph.focus:
            continue
        picture, theirs_at = pictures.source(other).bare, _largest_face(other)
        if theirs_at is not None and theirs_at.height >= 24:
            break
    else:
        return None
    box = _face_box(face, result.factor)
    size = box[2] - box[0], box[3] - box[1]
    theirs = _array(picture.resize(size, LANCZOS, box=_face_box(theirs_at, 1)))
    own = _array(result.picture.crop(box))
    matched = (theirs - theirs.mean((0, 1))) * (own.std() / max(theirs.std(), 1)) + own.mean((0, 1))
    sheet = result.picture.copy()
    sheet.paste(_image(matched), box[:2])
    inner = (box[0] + size[0] // 10, box[1] + size[1] // 10, box[2] - size[0] // 10, box[3] - size[1] // 10)
    return _blend(result.picture, sheet, strength * _ellipse(result.picture.size, inner, size[0] / 20))


def eyes_moved(result: Result, strength: float) -> Image.Image | None:
    """Both eyes lower by ``strength`` of the face's height."""
    face = _face(result)
    if face is None:
        return None
    factor = result.factor
    reach = 0.17 * face.height * factor
    width, height = result.picture.size
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    moved = np.zeros((height, width), np.float32)
    for x, y in face.landmarks[:2]:
        distance = np.hypot(across - x * factor, down - y * factor)
        moved = np.maximum(moved, np.exp(-((distance / reach) ** 2)) * strength * face.height * factor)
    return _warped(result.picture, across, down - moved)


def edge_halo(result: Result, strength: float) -> Image.Image:
    """A light rim of two source pixels around the subject, lighter by ``strength`` levels of 255."""
    mask = Image.fromarray((_subject(result) * 255).astype(np.uint8)).resize(result.picture.size)
    reach = 2 * result.factor // 2 * 2 + 1
    inside = _array(mask) > 127
    grown = _array(Image.fromarray((inside * 255).astype(np.uint8)).filter(ImageFilter.MaxFilter(2 * reach + 1)))
    rim = ((grown > 127) & ~inside).astype(np.float32) * 255
    rim = _array(Image.fromarray(rim.astype(np.uint8)).filter(ImageFilter.GaussianBlur(result.factor / 2))) / 255
    values = _array(result.picture)
    # Of white there is nothing lighter.
    lighter = np.where(values.mean(axis=2) < 255 - strength, strength, -strength)
    return _image(values + (rim * lighter)[..., None])


def cropped(result: Result, strength: float) -> Image.Image:
    """Cut by ``strength`` of its sides at each edge, and enlarged to the size that it had."""
    width, height = result.picture.size
    across, down = strength * width, strength * height
    box = (across, down, width - across, height - down)
    return result.picture.resize((width, height), Image.Resampling.BICUBIC, box)


def blocks(result: Result, strength: float) -> Image.Image:
    """Saved as a JPEG of quality ``strength``."""
    buffer = io.BytesIO()
    result.picture.save(buffer, "JPEG", quality=int(strength))
    return Image.open(buffer).convert("RGB")


def sharpened(result: Result, strength: float) -> Image.Image:
    """An unsharp mask of 1.5 source pixels, ``strength`` in percent."""
    return result.picture.filter(ImageFilter.UnsharpMask(1.5 * result.factor, int(strength), 0))


def waist_slimmed(result: Result, strength: float) -> Image.Image:
    """The middle of the picture narrower by ``strength`` of its width."""
    width, height = result.picture.size
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = across / width - 0.5, down / height - 0.45
    share = np.exp(-((y / 0.18) ** 2)) * np.exp(-((x / 0.3) ** 4))
    return _warped(result.picture, across + width * share * strength * x / 0.25, down)


def _textured(result: Result) -> Box:
    """The box of a third of the picture's sides that has the most texture, in pixels of the result."""
    grey = _array(result.source.bare.convert("L"))
    detail = np.abs(grey - _array(result.source.bare.convert("L").filter(ImageFilter.GaussianBlur(2))))
    height, width = grey.shape
    tall, wide = height // 3, width // 3
    left, top, right, bottom = result.source.label
    detail[top:bottom, left:right] = 0
    sums = np.pad(detail.cumsum(0).cumsum(1), [(1, 0), (1, 0)])
    found = sums[tall:, wide:] - sums[:-tall, wide:] - sums[tall:, :-wide] + sums[:-tall, :-wide]
    row, column = np.unravel_index(int(found.argmax()), found.shape)
    return result.box((int(column), int(row), int(column) + wide, int(row) + tall))


def _face(result: Result) -> Face | None:
    photograph = result.source.photograph
    return _largest_face(photograph) if photograph.name in pictures.FACES else None


@cache
def _largest_face(photograph: Photograph) -> Face | None:
    found = find_faces(np.asarray(pictures.source(photograph).bare), _networks)
    return max(found, key=lambda face: face.height, default=None)


def _face_box(face: Face, factor: int) -> Box:
    half = face.width / 2, face.height / 2
    left, top = (round((at - by) * factor) for at, by in zip((face.centre_x, face.centre_y), half, strict=True))
    return left, top, left + round(face.width * factor), top + round(face.height * factor)


def _subject(result: Result) -> Floats:
    return _mask(result.source.photograph)


@cache
def _mask(photograph: Photograph) -> Floats:
    """The subject's mask in the source; an ellipse where none is found."""
    picture = pictures.source(photograph).bare
    mask = subject.mask(np.asarray(picture), _networks)
    if 0.03 < subject.cover(mask) < 0.9:
        return np.asarray(mask, np.float32)
    width, height = picture.size
    return _ellipse(picture.size, (width // 5, height // 6, width * 4 // 5, height * 5 // 6), 0.5)


def _pasted(picture: Image.Image, part: Image.Image, box: Box, share: float) -> Image.Image:
    sheet = picture.copy()
    sheet.paste(Image.blend(picture.crop(box), part, share), box[:2])
    return sheet


def _warped(picture: Image.Image, across: Floats, down: Floats) -> Image.Image:
    """Each pixel from the place that it is given, between pixels too."""
    values = _array(picture)
    height, width = values.shape[:2]
    across, down = across.clip(0, width - 1.001), down.clip(0, height - 1.001)
    columns, rows = across.astype(int), down.astype(int)
    x, y = (across - columns)[..., None], (down - rows)[..., None]
    upper = values[rows, columns] * (1 - x) + values[rows, columns + 1] * x
    lower = values[rows + 1, columns] * (1 - x) + values[rows + 1, columns + 1] * x
    return _image(upper * (1 - y) + lower * y)


ALTERATIONS: dict[str, tuple[Alteration, tuple[float, float, float], str]] = {
    "one garment's colour": (garment_colour, (3, 6, 12), "Delta E of {:g}"),
    "colour of the whole": (all_colour, (2, 4, 8), "Delta E of {:g}"),
    "logo erased": (logo_erased, (0.4, 0.7, 1), "by {:.0%}"),
    "logo redrawn": (logo_redrawn, (0.5, 1, 2), "bent by {:g} px"),
    "one letter changed": (letter_changed, (2, 1, 0), "10, 13, 18 px high"),
    "button removed": (button_removed, (0.4, 0.7, 1), "by {:.0%}"),
    "weave smoothed": (weave_smoothed, (0.7, 1.4, 2.5), "blur of {:g} px"),
    "pattern scaled": (pattern_scaled, (0.05, 0.1, 0.2), "by {:.0%}"),
    "face replaced": (face_replaced, (0.4, 0.7, 1), "by {:.0%}"),
    "eyes moved": (eyes_moved, (0.03, 0.06, 0.1), "{:.0%} of the face"),
    "halo around the subject": (edge_halo, (10, 20, 40), "{:g} levels"),
    "cropped": (cropped, (0.005, 0.01, 0.02), "{:.1%} at each side"),
    "JPEG blocks": (blocks, (30, 12, 5), "quality {:g}"),
    "sharpening halos": (sharpened, (80, 160, 320), "{:g} %"),
    "waist slimmed": (waist_slimmed, (0.01, 0.02, 0.04), "by {:.0%} of the width"),
}
"""By name: what does it, its three strengths, and how they are told. Pixels are those of the source."""
