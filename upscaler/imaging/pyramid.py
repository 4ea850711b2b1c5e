"""A picture cut into tiles at every size, so that a large one is looked at without being sent whole.

The layout is Deep Zoom's, in one ZIP file without compression: each tile is read on its own, and decodes nothing on the
desk's side. Made in the process that reads strangers' pictures (`in_child`); Django-free.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from upscaler.imaging import codec, colour, pixels, previews, structure
from upscaler.imaging.openers import SampledFile
from upscaler.imaging.vips import pyvips

TILE_SIDE = 512
"""Pixels."""
NAME = "p"
MAX_TILE_PROFILE = 4096
"""Bytes of a colour profile that may go along with every tile; sRGB's usual one has 3,144. Longer ones are turned into
Display P3, which has all colours that screens show."""
OPAQUE = ".jpg[Q=90,subsample_mode=off]"
"""In full colour resolution, because people judge colour and fine print by it."""
TRANSPARENT = ".webp[Q=90,smart_subsample=true,effort=0]"


def member(level: int, column: int, row: int, extension: str) -> str:
    """A tile's name in the file; level 0 is the smallest, which is one tile."""
    return f"{NAME}_files/{level}/{column}_{row}{extension}"


def in_child(source: Path, target: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Cut the picture in ``source``, upright and in colours for screens, into the ZIP file ``target``.

    Its JSON answer: ``width``, ``height`` (pixels, upright), ``extension`` of the tiles, with its dot. Raises whatever
    the decoders raise, and OSError.
    """
    descriptor = os.open(target, os.O_RDWR)
    try:
        rows = _streamed(source) or _loaded(source)
        suffix = TRANSPARENT if rows.hasalpha() else OPAQUE
        rows.dzsave_target(
            pyvips.Target.new_to_descriptor(descriptor),
            imagename=NAME,
            container="zip",
            layout="dz",
            depth="onetile",
            tile_size=TILE_SIDE,
            overlap=0,
            suffix=suffix,
            keep="icc",
        )
    except pyvips.Error as error:
        raise OSError(str(error)) from error
    finally:
        os.close(descriptor)
    return {"width": rows.width, "height": rows.height, "extension": suffix.partition("[")[0]}


def _streamed(path: Path) -> Any | None:
    """The picture of a plain JPEG or PNG, of which only some rows are in memory at a time; None for all others."""
    with structure.opened(path) as image:
        format_ = str(image.format)
        if image.mode not in previews.STREAMED.get(format_, ()) or pixels.orientation(image) != 1:
            return None
        if isinstance(image, SampledFile) and image.is_sampled:
            return None
        load = getattr(pyvips.Image, previews.LOADERS[format_])
        rows = load(pyvips.Source.new_from_file(str(path)), access="sequential", fail_on="truncated")
        is_grey = rows.bands < 3
        return _for_screens(rows, colour.sound_profile(image, "L" if is_grey else "RGB"))


def _loaded(path: Path) -> Any:
    picture = codec.load(path)
    values = picture.pixels[..., :1] if picture.grey else picture.pixels
    if picture.alpha is not None:
        values = np.concatenate([values, picture.alpha[..., None]], axis=2)
    values = np.ascontiguousarray(values)
    height, width, channels = values.shape
    kind = "ushort" if values.dtype == np.uint16 else "uchar"
    rows = pyvips.Image.new_from_memory(values, width, height, channels, kind)
    grey, colours = ("grey16", "rgb16") if kind == "ushort" else ("b-w", "srgb")
    # The picture keeps the array that its rows are read from.
    return _for_screens(rows.copy(interpretation=grey if channels < 3 else colours), picture.profile)


def _for_screens(rows: Any, profile: bytes | None) -> Any:
    """In 8 bits a channel, with the ``profile`` that its numbers are in, or with none where they are sRGB."""
    if rows.format == "ushort":
        # Rounded: cut off, the darkest shades of a linear file would be seen to be darker.
        rows = rows.linear(1 / 257, 0.5, uchar=True)
    is_grey = rows.bands < 3
    rows = rows.copy(interpretation="b-w" if is_grey else "srgb").copy()
    for name in ("icc-profile-data", "orientation"):
        if rows.get_typeof(name):
            rows.remove(name)
    if profile is None:
        return rows
    if is_grey:
        curve = np.array(colour.grey_curve(profile), np.uint8)
        table = pyvips.Image.new_from_memory(curve, 256, 1, 1, "uchar")
        shades = rows.extract_band(0).maplut(table)
        return shades.bandjoin(rows.extract_band(1)) if rows.hasalpha() else shades
    rows.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    if len(profile) <= MAX_TILE_PROFILE:
        return rows
    return rows.icc_transform("p3", embedded=True, intent="relative", black_point_compensation=True)
