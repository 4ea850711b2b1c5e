"""TIFF: small copies beside the picture are no pages, and what Pillow has no mode for, libvips reads."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from PIL import ExifTags, ImageCms, TiffImagePlugin

from upscaler.errors import PublicError
from upscaler.imaging import pixels
from upscaler.imaging.openers import tiff_directories
from upscaler.imaging.openers.base import SampledFile, add_note, array, averaged, unsupported
from upscaler.imaging.samples import Samples
from upscaler.imaging.vips import pyvips

BITS, COMPRESSION, PHOTOMETRIC, CHANNELS, EXTRA_CHANNELS, SAMPLE_FORMAT = 258, 259, 262, 277, 338, 339
GREYS, RGB, CMYK, LAB = (0, 1), 2, 5, (8, 9, 10)
COLOURS = {0: 1, 1: 1, RGB: 3, CMYK: 4, 6: 3, 8: 3, 9: 3, 10: 3}
"""How many channels are colours, by PhotometricInterpretation."""
ASSOCIATED, UNASSOCIATED = 1, 2
"""Further channels that are transparency: with the first, colours are multiplied by it, which libvips undoes."""
LEFT_OUT = "The TIFF has further channels beside its colours (masks or spot colours); they are left out."
RANGE = "The TIFF's numbers have no fixed range; the brightest possible was taken to be {full:g}."
RAW_KIND = "a camera's raw file"
RAW_WAY_OUT = "Develop it, export the picture as TIFF, PNG or JPEG, and upload that."
WAY_OUT = "Save it with 8 or 16 bits a channel as RGB, and upload that."
KNOWN_BITS = (*range(1, 17), 24, 32, 64)
"""What a sound file may have; others are damaged."""
NUMBERS = {1: "whole numbers", 2: "signed numbers", 3: "floats", 4: "unknown numbers", 5: "complex numbers"}


class TiffFile(SampledFile, TiffImagePlugin.TiffImageFile):
    """A TIFF: of several pages the one that is the picture."""

    is_sampled = False
    _pages: tiff_directories.Pages | None = None
    _highest: float | None = None

    def _open(self) -> None:
        file: Any = self.fp
        self._pages = tiff_directories.find_pages(file)
        if self._pages.is_raw:
            raise unsupported(RAW_KIND, RAW_WAY_OUT)
        file.seek(0)
        super()._open()
        if self._pages.main:
            self._seek(self._pages.main)
        self._n_frames = self._pages.count
        self.is_animated = self._pages.count > 1

    def _setup(self) -> None:
        self.is_sampled = False
        tags: Any = self.tag_v2
        try:
            super()._setup()
        except SyntaxError:
            if tags.get(PHOTOMETRIC) not in COLOURS:
                raise
            self._set_up_sampled()
        else:
            if tags.get(PHOTOMETRIC) == CMYK and set(tags.get(BITS, ())) == {16}:
                self._set_up_sampled()
        extras = tags.get(EXTRA_CHANNELS, ())
        if extras and len([kind for kind in extras if kind in (ASSOCIATED, UNASSOCIATED)][:1]) < len(extras):
            add_note(self, LEFT_OUT)

    def _set_up_sampled(self) -> None:
        """What Pillow would have set for a mode that it knows."""
        tags: Any = self.tag_v2
        width, height = int(tags[tiff_directories.WIDTH]), int(tags[tiff_directories.LENGTH])
        turned = tags.get(pixels.ORIENTATION) in pixels.TURNED
        self.is_sampled, self.tile, self.use_load_libtiff = True, [], False
        self._tile_size = width, height
        self._size = (height, width) if turned else (width, height)
        self._mode = "L" if tags.get(PHOTOMETRIC) in GREYS else "RGB"
        across, down = tags.get(TiffImagePlugin.X_RESOLUTION, 1), tags.get(TiffImagePlugin.Y_RESOLUTION, 1)
        unit = tags.get(TiffImagePlugin.RESOLUTION_UNIT, 2)
        if across and down and unit in (2, 3):
            inches = 2.54 if unit == 3 else 1
            self.info["dpi"] = (across * inches, down * inches)
        if profile := tags.get(TiffImagePlugin.ICCPROFILE):
            self.info["icc_profile"] = profile

    def getexif(self) -> Any:
        """Without the orientation that Pillow takes from XMP, by which browsers turn nothing."""
        exif = super().getexif()
        if pixels.ORIENTATION not in self.tag_v2:
            exif.pop(ExifTags.Base.Orientation, None)
        return exif

    def samples(self) -> Samples:
        """Upright, as Pillow's pixels of a TIFF are."""
        return self._samples(self._rows())

    def samples_within(self, side: int) -> Samples | None:
        """Upright."""
        if not self.is_sampled:
            return None
        rows = self._rows()
        if rows.format not in ("uchar", "ushort"):
            # Of the whole picture, since it tells the range of its numbers.
            highest = self._rows().max()
            self._highest = highest if math.isfinite(highest) else None
        # Whatever its channels mean; what transparency hides is in the mean, which nobody sees in so small a picture.
        return self._samples(averaged(rows.copy(interpretation="multiband"), side, is_associated=True))

    def _rows(self) -> Any:
        with self._refused():
            page = self._pages.main if self._pages else 0
            return pyvips.Image.tiffload_buffer(self.whole_file(), page=page, access="sequential", fail_on="truncated")

    def _samples(self, image: Any) -> Samples:
        tags: Any = self.tag_v2
        colours = COLOURS[tags[PHOTOMETRIC]]
        if image.bands < colours:
            raise self._unsupported()
        shown = image.extract_band(0, n=colours) if image.bands > colours else image
        place = self._alpha_place(image.bands - colours)
        if tags[PHOTOMETRIC] in (CMYK, *LAB) or place is not None:
            # Two ways lead from the file to the pixels, which reading row by row allows only once.
            image = image.copy_memory()
            shown = image.extract_band(0, n=colours)
        alpha = None if place is None else self._levels(array(image.extract_band(colours + place)))
        values = self._colours(shown)
        if alpha is not None:
            values = np.concatenate([values, _of_kind(alpha, values.dtype)], axis=2)
        return np.ascontiguousarray(pixels.upright_view(values, tags.get(pixels.ORIENTATION, 1)))

    def _alpha_place(self, extra: int) -> int | None:
        kinds = self.tag_v2.get(EXTRA_CHANNELS, ())[:extra]
        return next((place for place, kind in enumerate(kinds) if kind in (ASSOCIATED, UNASSOCIATED)), None)

    def _colours(self, shown: Any) -> Samples:
        photometric = self.tag_v2[PHOTOMETRIC]
        if photometric in LAB:
            return array(shown.colourspace("rgb16"))
        if photometric != CMYK:
            return self._levels(array(shown))
        if shown.format not in ("uchar", "ushort"):
            raise self._unsupported()
        profile = self.info.get("icc_profile")
        if profile and _is_for_inks(profile):
            inks = shown.copy(interpretation="cmyk")
            inks.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
            options = {"embedded": True, "intent": "relative", "black_point_compensation": True}
            return array(inks.icc_transform("srgb", depth=16 if shown.format == "ushort" else 8, **options))
        inks = array(shown)
        full = np.iinfo(inks.dtype).max
        plain = np.empty((*inks.shape[:2], 3), inks.dtype)
        for row in range(len(inks)):
            free = full - inks[row].astype(np.uint32)
            plain[row] = (free[:, :3] * free[:, 3:] + full // 2) // full
        return plain

    def _levels(self, values: Any) -> Samples:
        """Numbers of any kind as 8 or 16 bits, by the rule of `pixels.deep_grey`."""
        if values.dtype in (np.uint8, np.uint16):
            return values
        if values.dtype.kind not in "fu":
            raise self._unsupported()
        highest = self._highest
        if highest is None:
            highest = max((float(np.nan_to_num(row, posinf=0).max(initial=0)) for row in values), default=0.0)
        # Light beyond white is usual in floats; far beyond, they are numbers of another range.
        ranges = (1.0, 255.0, 65535.0) if values.dtype.kind == "f" else (255.0, 65535.0)
        full = next((limit for limit in ranges if highest <= limit), float(2**32 - 1))
        if full != 1 and values.dtype.kind == "f":
            add_note(self, RANGE.format(full=full))
        levels = np.empty(values.shape, np.uint16)
        for row, numbers in enumerate(values):
            levels[row] = np.nan_to_num(numbers.astype(np.float64)).clip(0, full) * (65535 / full) + 0.5
        return levels

    @contextmanager
    def _refused(self) -> Iterator[None]:
        try:
            yield
        except pyvips.Error:
            if max(self.tag_v2.get(BITS, (1,))) not in KNOWN_BITS:
                raise
            raise self._unsupported() from None

    def _unsupported(self) -> PublicError:
        tags: Any = self.tag_v2
        bits = max(tags.get(BITS, (1,)))
        numbers = NUMBERS.get(max(tags.get(SAMPLE_FORMAT, (1,))), "unknown numbers")
        kind = f"{bits} bits" if numbers == NUMBERS[1] else f"{numbers} of {bits} bits"
        return unsupported(f"a TIFF with {kind} a channel", WAY_OUT)


def _is_for_inks(profile: bytes) -> bool:
    try:
        return str(ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile.xcolor_space) == "CMYK"
    except (OSError, ImageCms.PyCMSError):
        return False


def _of_kind(values: Samples, kind: np.dtype[Any]) -> Samples:
    if values.dtype == kind:
        return values
    return (
        values.astype(np.uint16) * 257 if kind == np.uint16 else ((values.astype(np.uint32) + 128) // 257).astype(kind)
    )
