"""HEIC and HEIF, as phones write them, read by libheif through pillow-heif."""

from __future__ import annotations

from typing import Any

import numpy as np
import pillow_heif

from upscaler.imaging import declared_colour
from upscaler.imaging.declared_colour import Declared
from upscaler.imaging.openers import boxes
from upscaler.imaging.openers.base import (
    LARGE_FROM,
    SampledFile,
    add_note,
    declare,
    deepened,
    full_range,
    unassociated,
    within,
)
from upscaler.imaging.samples import Samples

BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"mif2"}
AV1_BRANDS = {b"avif", b"avis"}
SEVERAL = "The file holds {count} pictures; the main one is enlarged."
CARRIED = ("exif", "xmp", "icc_profile")
MEMORY_PER_PIXEL = {(False, False): 5.0, (False, True): 7.2, (True, False): 8.0, (True, True): 12.2}
"""Bytes, by whether there are more than 8 bits and whether there is transparency; measured."""

# What is not needed is not read.
pillow_heif.options.THUMBNAILS = False
pillow_heif.options.DEPTH_IMAGES = False
pillow_heif.options.AUX_IMAGES = False


def accept(head: bytes) -> bool:
    """Whether a file's first bytes are those of a HEIF that is no AVIF."""
    main, others = boxes.brands(head)
    return bool(BRANDS & {main, *others}) and not AV1_BRANDS & {main, *others}


class HeifFile(SampledFile):
    """The main picture of a HEIF, turned as its own properties say: what EXIF says of that is said twice."""

    format = "HEIF"
    format_description = "HEIF and HEIC"
    is_upright = True
    n_frames = 1
    _declared: Declared | None = None
    _heif: Any

    def _open(self) -> None:
        try:
            self._heif, count = _main(self.fp, convert_hdr_to_8bit=False, hdr_to_16bit=True)
        except (OSError, ValueError, RuntimeError, EOFError, IndexError) as error:
            raise SyntaxError(str(error)) from None
        if count > 1:
            add_note(self, SEVERAL.format(count=count))
        self._size = self._heif.size
        self._mode = self._heif.mode.partition(";")[0].upper()
        told: dict[str, Any] = self._heif.info
        self.info.update({name: told[name] for name in CARRIED if told.get(name)})
        self._depth = int(told.get("bit_depth", 8))
        nclx = told.get("nclx_profile")
        if nclx and "icc_profile" not in self.info:
            self._declared = declared_colour.from_numbers(nclx["color_primaries"], nclx["transfer_characteristics"])
        declare(self, self._declared)
        deep, has_alpha = self._depth > 8, self.mode in ("LA", "RGBA")
        self.memory_per_pixel = MEMORY_PER_PIXEL[deep, has_alpha]
        self.kind_in_words = f"HEIC files with {self._depth} bits a channel" + has_alpha * " and transparency"

    def samples(self) -> Samples:
        """Upright."""
        return np.ascontiguousarray(self._meant(full_range(_decoded(self._heif), self._depth)))

    def samples_within(self, side: int) -> Samples | None:
        """Upright; of a large picture no more than 8 bits are decoded."""
        if self.width * self.height < LARGE_FROM:
            return super().samples_within(side)
        if self._depth > 8:
            self._heif = _main(self.fp, convert_hdr_to_8bit=True)[0]
        decoded = self.check_size(_decoded(self._heif))
        values = within(decoded, side, is_associated=self._heif.premultiplied_alpha)
        return self._meant(deepened(values))

    def _meant(self, values: Samples) -> Samples:
        if self._heif.premultiplied_alpha:
            values = np.dstack([unassociated(values[..., :-1], values[..., -1:]), values[..., -1:]])
        if self._declared is not None and self._declared.must_be_converted:
            values = declared_colour.in_srgb(values, self._declared)
        return values


def _main(file: Any, **options: bool) -> tuple[Any, int]:
    """The main picture, and how many there are."""
    file.seek(0)
    read = pillow_heif.open_heif(file, **options)
    return read[read.primary_index], len(read)


def _decoded(picture: Any) -> Any:
    values: Any = np.asarray(picture)
    return values.reshape(*values.shape[:2], -1)[:, : picture.size[0]]
