"""Which colours an opened picture file means: profiles, sRGB, shades of grey, and what screens show of them.

Django-free, because the engine's child process uses it too.
"""

from __future__ import annotations

import struct
from io import BytesIO
from typing import cast

import numpy as np
from PIL import Image, ImageCms

from upscaler.imaging import declared_colour, pixels

SPACES = {
    "RGB": ("RGB", "RGB "),
    "RGBA": ("RGB", "RGB "),
    "L": ("L", "GRAY"),
    "LA": ("L", "GRAY"),
    "CMYK": ("CMYK", "CMYK"),
}
"""By Pillow's mode: the mode of its colours alone, and the colour space that a profile for them names."""
MAX_PROFILE_BYTES = 4_000_000
"""Printers' profiles have some 2 MB; far beyond, it is no profile that anybody needs."""


def plain(image: Image.Image) -> tuple[Image.Image, bytes | None]:
    """The picture in mode L, LA, RGB or RGBA with 8 bits a channel, and the ICC profile that its numbers are in.

    CMYK and Lab become sRGB: CMYK by its own profile, relative colorimetric with black point compensation. Without a
    profile nobody can know the inks; then it is the plain formula, in which black ink is black and no ink is white.
    A profile that is broken or for other colours is dropped, and the picture is read as if it had none.
    """
    mode = image.mode
    if mode in pixels.DEEP_GREY:
        shallow = np.empty((image.height, image.width), np.uint8)
        for rows, levels in pixels.deep_grey_strips(image):
            shallow[rows] = (levels.astype(np.uint32) + 128) // 257
        return Image.fromarray(shallow), sound_profile(image, "L")
    if mode in ("CMYK", "LAB"):
        return _in_srgb(image)
    is_grey = mode in ("1", "L", "LA", "La") or (mode in ("P", "PA") and _is_grey_palette(image))
    names = ("LA", "L") if is_grey else ("RGBA", "RGB")
    to = names[0] if image.has_transparency_data else names[1]
    if is_grey and mode in ("P", "PA"):
        # Pillow goes from a palette to grey by way of weights, which round.
        image = Image.merge(to, [image.convert("RGBA").getchannel(band) for band in ("R", "A")[: len(to)]])
    return image if image.mode == to else image.convert(to), sound_profile(image, to)


def _is_grey_palette(image: Image.Image) -> bool:
    palette = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    return bool((palette == palette[:, :1]).all())


def for_screens(image: Image.Image) -> Image.Image:
    """`plain` as RGB or RGBA, its profile an RGB one, if any, in ``info``. For pictures small enough to copy freely."""
    shown, profile = plain(image)
    if shown.mode in ("L", "LA"):
        if profile is not None:
            shown = grey_in_srgb(shown, profile)
        shown, profile = shown.convert("RGBA" if shown.mode == "LA" else "RGB"), None
    shown.info = {"icc_profile": profile} if profile else {}
    return shown


def in_srgb(image: Image.Image) -> Image.Image:
    """`for_screens` with an RGB profile's numbers turned into sRGB's, for whoever reckons with them."""
    shown = for_screens(image)
    profile = sound_profile(shown, shown.mode)
    if profile is None:
        return shown
    colours = _converted(shown.convert("RGB"), ImageCms.ImageCmsProfile(BytesIO(profile)))
    if shown.mode == "RGBA":
        colours.putalpha(shown.getchannel("A"))
    return colours


def sound_profile(image: Image.Image, mode: str) -> bytes | None:
    """The picture's profile, if numbers in ``mode`` (L, LA, RGB or RGBA) can be read by it.

    Of an RGB profile on grey the curve counts, as in browsers; other misfits are dropped.
    """
    profile = image.info.get("icc_profile")
    if not profile:
        return None
    if _opened(profile, mode):
        return profile
    if mode in ("L", "LA") and _opened(profile, "RGB"):
        try:
            grey = declared_colour.grey_profile_of(profile)
        except (struct.error, IndexError):
            return None
        return grey if grey and _opened(grey, mode) else None
    return None


def grey_in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """L or LA in the shades of a grey ``profile``, as the same mode in sRGB's."""
    return image.point([*grey_curve(profile), *(range(256) if image.mode == "LA" else ())])


def grey_curve(profile: bytes) -> list[int]:
    """For each of 256 shades in a sound grey ``profile`` the one that looks the same in sRGB."""
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    return np.asarray(_converted(ramp, ImageCms.ImageCmsProfile(BytesIO(profile))))[0, :, 1].tolist()


def _opened(profile: bytes, mode: str) -> ImageCms.ImageCmsProfile | None:
    if len(profile) > MAX_PROFILE_BYTES:
        return None
    colours, space = SPACES[mode]
    try:
        opened = ImageCms.ImageCmsProfile(BytesIO(profile))
        # Many broken profiles open; only making a conversion reads their tables.
        ImageCms.buildTransform(opened, _srgb(), colours, "RGB")
    except (ImageCms.PyCMSError, OSError):
        return None
    return opened if opened.profile.xcolor_space == space else None


def _in_srgb(image: Image.Image) -> tuple[Image.Image, bytes | None]:
    if image.mode == "LAB":
        embedded: ImageCms.ImageCmsProfile | None = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    else:
        profile = image.info.get("icc_profile")
        embedded = _opened(profile, image.mode) if profile else None
    if embedded is None:
        return image.convert("RGB"), None
    try:
        return _converted(image, embedded), _srgb().tobytes()
    except (ImageCms.PyCMSError, OSError):
        return image.convert("RGB"), None


def _converted(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    converted = ImageCms.profileToProfile(
        image,
        profile,
        _srgb(),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    return cast(Image.Image, converted)


def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
