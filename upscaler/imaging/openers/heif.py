"""HEIC and HEIF, as phones write them, read by libheif through pillow-heif."""

from __future__ import annotations

from typing import Any

import numpy as np
import pillow_heif

from upscaler.imaging import declared_colour
from upscaler.imaging.declared_colour import Declared
from upscaler.imaging.openers import boxes
from upscaler.imaging.openers.base import SampledFile, add_note, declare, full_range, unassociated
from upscaler.imaging.samples import Samples

BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"mif2"}
AV1_BRANDS = {b"avif", b"avis"}
SEVERAL = "The file holds {count} pictures; the main one is enlarged."
CARRIED = ("exif", "xmp", "icc_profile")

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

    def _open(self) -> None:
        try:
            read = pillow_heif.open_heif(self.fp, convert_hdr_to_8bit=False, hdr_to_16bit=True)
            main: Any = read[read.primary_index]
        except (OSError, ValueError, RuntimeError, EOFError, IndexError) as error:
            raise SyntaxError(str(error)) from None
        self._heif: Any = main
        if len(read) > 1:
            add_note(self, SEVERAL.format(count=len(read)))
        self._size = self._heif.size
        self._mode = self._heif.mode.partition(";")[0].upper()
        told: dict[str, Any] = self._heif.info
        self.info.update({name: told[name] for name in CARRIED if told.get(name)})
        self._depth = int(told.get("bit_depth", 8))
        nclx = told.get("nclx_profile")
        if nclx and "icc_profile" not in self.info:
            self._declared = declared_colour.from_numbers(nclx["color_primaries"], nclx["transfer_characteristics"])
        declare(self, self._declared)

    def samples(self) -> Samples:
        """Upright."""
        values: Any = np.asarray(self._heif)
        values = values.reshape(*values.shape[:2], -1)[:, : self._heif.size[0]]
        if values.dtype == np.uint16:
            values = full_range(values, self._depth)
        if self._heif.premultiplied_alpha:
            values = np.dstack([unassociated(values[..., :-1], values[..., -1:]), values[..., -1:]])
        if self._declared is not None and self._declared.must_be_converted:
            values = declared_colour.in_srgb(values, self._declared)
        return np.ascontiguousarray(values)
