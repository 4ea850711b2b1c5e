"""PNG: damaged extras are left out, and colours declared without a profile are given one, or are converted."""

from __future__ import annotations

import struct
import zlib
from typing import IO, Any

from PIL import Image, ImageFile, PngImagePlugin

from upscaler.imaging import declared_colour
from upscaler.imaging.declared_colour import Declared
from upscaler.imaging.openers.base import NOTES, SampledFile, add_note, array, averaged, declare
from upscaler.imaging.samples import Samples
from upscaler.imaging.vips import pyvips

DAMAGED_EXTRA = "A part of the file beside the picture was damaged ({names}) and is left out."
CICP = b"cICP"
HEAD = struct.Struct(">I4s")
"""What each chunk begins with: its length and its name."""
SIGNATURE, CHECKSUM = 8, 4
"""Bytes of the file's own beginning, and of each chunk's end."""
RAW_PROFILE = b"Raw profile type exif\0"
"""How a text begins in which older programs keep camera data."""
RENDERING_INTENTS = 4
"""How many there are: sRGB with another number is nonsense."""
BY_CHUNK = {
    b"iCCP": ("icc_profile",),
    b"gAMA": ("gamma",),
    b"cHRM": ("chromaticity",),
    b"sRGB": ("srgb",),
    b"eXIf": ("exif",),
    b"pHYs": ("dpi", "aspect"),
    b"tRNS": ("transparency",),
}
"""Where Pillow keeps what a chunk says."""


class _Stream(PngImagePlugin.PngStream):
    """Chunks of a file, in which a wrong checksum beside the pixels costs that chunk alone."""

    def __init__(self, fp: IO[bytes]) -> None:
        super().__init__(fp)
        self.damaged: list[bytes] = []
        self.cicp: bytes | None = None

    def chunk_cICP(self, pos: int, length: int) -> bytes:
        content: bytes = ImageFile._safe_read(self.fp, length)  # type: ignore[arg-type]
        self.cicp = content
        return content

    def call(self, cid: bytes, pos: int, length: int) -> bytes:
        if cid[0] & 32 and cid not in (b"acTL", b"fcTL", b"fdAT") and hasattr(self, f"chunk_{cid.decode('ascii')}"):
            try:
                return super().call(cid, pos, length)
            except (ValueError, TypeError, IndexError, KeyError, SyntaxError):
                self._leave_out(cid)
                self.fp.seek(pos)  # type: ignore[union-attr]
                return ImageFile._safe_read(self.fp, length)  # type: ignore[arg-type]
        return super().call(cid, pos, length)

    def crc(self, cid: bytes, data: bytes) -> None:
        if not cid[0] & 32:
            super().crc(cid, data)
            return
        try:
            super().crc(cid, data)
        except SyntaxError:
            self._leave_out(cid)

    def _leave_out(self, cid: bytes) -> None:
        if cid not in self.damaged:
            self.damaged.append(cid)
        for name in BY_CHUNK.get(cid, ()):
            self.im_info.pop(name, None)
        if cid == CICP:
            self.cicp = None


# Pillow's reader of PNG makes its stream by this name.
PngImagePlugin.PngStream = _Stream  # type: ignore[misc]


class PngFile(SampledFile, PngImagePlugin.PngImageFile):
    """A PNG with the colours that it declares, by the precedence of its specification (third edition, 4.3)."""

    declared: Declared | None = None
    is_sampled = False

    def _open(self) -> None:
        super()._open()
        self._stream: Any = self.png
        self._tell_damage()
        self.declared = self._declared()
        if self.declared is None:
            return
        self.info.pop("icc_profile", None)
        declare(self, self.declared)
        self.is_sampled = self.declared.must_be_converted
        if self.is_sampled and self.info.get("interlace"):
            depth = 2 if str(self.tile[0].args).endswith("16B") else 1
            # Then rows don't come one by one.
            self.memory_per_pixel = depth * len(self.getbands())
            self.kind_in_words = "interlaced PNG files in colours of this kind"

    def load_end(self) -> None:
        """What follows the pixels may be damaged too."""
        super().load_end()
        self._tell_damage()

    def getexif(self) -> Image.Exif:
        """Camera data, wherever in the file it stands. No pixel is decoded for it, as Pillow's own would do first."""
        if "exif" not in self.info and self.tile:
            self._read_exif()
        return Image.Image.getexif(self)

    def _read_exif(self) -> None:
        """What chunks behind the pixels may hold, from chunk to chunk by their lengths."""
        file = self.fp
        if file is None:
            return
        at, here = file.tell(), SIGNATURE
        file.seek(here)
        while len(head := file.read(HEAD.size)) == HEAD.size:
            length, name = HEAD.unpack(head)
            if name == b"IEND":
                break
            if name == b"eXIf":
                content = file.read(length)
                if file.read(CHECKSUM) == struct.pack(">I", zlib.crc32(name + content)):
                    self.info["exif"] = b"Exif\0\0" + content
            elif name in (b"tEXt", b"zTXt", b"iTXt") and file.read(len(RAW_PROFILE)) == RAW_PROFILE:
                # Rare: then as Pillow reads it.
                file.seek(at)
                self.load()
                return
            here += HEAD.size + length + CHECKSUM
            file.seek(here)
        file.seek(at)

    def samples(self) -> Samples:
        """As they lie in the file: its camera data says how to turn them."""
        return self._meant(array(self._rows()))

    def samples_within(self, side: int) -> Samples | None:
        """As they lie in the file."""
        return self._meant(array(averaged(self._rows(), side))) if self.is_sampled else None

    def _rows(self) -> Any:
        return pyvips.Image.pngload_buffer(self.whole_file(), access="sequential", fail_on="truncated")

    def _meant(self, values: Samples) -> Samples:
        return values if self.declared is None else declared_colour.in_srgb(values, self.declared)

    def _tell_damage(self) -> None:
        if self._stream.damaged:
            names = ", ".join(sorted(name.decode("ascii") for name in self._stream.damaged))
            self.info[NOTES] = [note for note in self.info.get(NOTES, []) if not note.startswith(DAMAGED_EXTRA[:20])]
            add_note(self, DAMAGED_EXTRA.format(names=names))

    def _declared(self) -> Declared | None:
        """What is said of colours apart from a profile, if that counts; None where it does not."""
        cicp = self._stream.cicp
        if cicp is not None and len(cicp) == 4 and cicp[2] == 0 and cicp[3] == 1:
            declared = declared_colour.from_numbers(cicp[0], cicp[1], television=declared_colour.TELEVISION)
            if declared is not None:
                return declared
        if self.info.get("icc_profile") or self.info.get("srgb", RENDERING_INTENTS) < RENDERING_INTENTS:
            return None
        return declared_colour.from_gamma(self.info.get("gamma"), self.info.get("chromaticity"))
